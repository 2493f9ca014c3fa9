"""The packages that people use for this today, each in a file of its own, written as its users write it."""
