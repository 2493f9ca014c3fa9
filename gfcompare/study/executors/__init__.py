"""Executors of cells: in this process, in others of this machine, on the workers of a Dask cluster."""
