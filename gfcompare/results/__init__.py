"""Result files: their schema, how they are written, read and checked."""
