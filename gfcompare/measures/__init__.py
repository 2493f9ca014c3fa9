"""Input measures: on an interval, on a box, normal ones, on points."""

from gfcompare.measures.base import Measure
from gfcompare.measures.box import Box, BoxDensity, BoxMeasure, Product
from gfcompare.measures.gaussian import Gaussian
from gfcompare.measures.line import Density, LineMeasure, PiecewisePolynomial, TruncatedNormal, Uniform
from gfcompare.measures.points import DataSet, Discretized, PointMeasure, Points

__all__ = [
    "Box",
    "BoxDensity",
    "BoxMeasure",
    "DataSet",
    "Density",
    "Discretized",
    "Gaussian",
    "LineMeasure",
    "Measure",
    "PiecewisePolynomial",
    "PointMeasure",
    "Points",
    "Product",
    "TruncatedNormal",
    "Uniform",
]
