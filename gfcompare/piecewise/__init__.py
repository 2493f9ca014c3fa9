"""Piecewise polynomials on intervals, and what is made of them."""

from gfcompare.piecewise.interval import *  # noqa: F403
