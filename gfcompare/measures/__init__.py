"""Input measures: on an interval, on a box, on points."""

from gfcompare.measures.base import Measure
from gfcompare.measures.box import Box, BoxDensity, BoxMeasure, Product
from gfcompare.measures.line import Density, LineMeasure, PiecewisePolynomial, TruncatedNormal, Uniform
from gfcompare.measures.points import DataSet, Discretized, PointMeasure, Points

__all__ = [
    "Box",
    "BoxDensity",
    "BoxMeasure",
    "DataSet",
    "Density",
    "Discretized",
    "LineMeasure",
    "Measure",
    "PiecewisePolynomial",
    "PointMeasure",
    "Points",
    "Product",
    "TruncatedNormal",
    "Uniform",
]
