"""Figures (to come)."""
