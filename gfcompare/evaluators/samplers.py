"""Points drawn from the measure together with the target there: where `ProblemParts.draw` will not do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gfcompare.evaluators.base import Array, Streams
from gfcompare.kernels import random
from gfcompare.measures import Measure, PointMeasure
from gfcompare.piecewise.interval import PiecewisePolynomial


@dataclass(frozen=True, eq=False)
class OfPieces:
    """On the line: the target is its piecewise polynomial."""

    measure: Measure
    pieces: PiecewisePolynomial

    def __call__(self, streams: Streams, count: int) -> tuple[Array, Array]:
        """Return points, (M, count, 1), and values, (M, count, K); streams (M, 4) are advanced."""
        points = self.measure.draw(streams, count)
        return points, self.pieces(points[..., 0])


@dataclass(frozen=True, eq=False)
class OfPoints:
    """Among finitely many points, with the values that belong to them, with replacement."""

    measure: PointMeasure
    values: Array

    def __call__(self, streams: Streams, count: int) -> tuple[Array, Array]:
        """Return points, (M, count, d), and values, (M, count, K); streams (M, 4) are advanced."""
        uniforms = np.empty((len(streams), count))
        random.uniforms(streams, uniforms)
        chosen = self.measure.indices(uniforms)
        return self.measure.points[chosen], self.values[chosen]
