"""Studies: their specification, cells, files and running."""
