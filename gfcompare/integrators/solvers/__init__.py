"""Solvers of ordinary differential equations, one file each: start and advance."""
