"""The parts of a problem, prepared once for whatever evaluates it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import InputError
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.measures import BoxMeasure, LineMeasure, Measure, PointMeasure
from gfcompare.measures.sobol import sobol_points
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.targets import Labels, Target

Array = NDArray[np.float64]

_NO_LABELS = "the target 'labels' needs a measure on points that has them, such as 'data-set'."


@dataclass(frozen=True, eq=False)
class ProblemParts:
    """Network, target and measure of a problem, and what is wanted of a quadrature rule.

    Attributes
    ----------
    network : the architecture, with d inputs and K outputs
    target : the function to be learnt, with as many
    measure : the input measure
    quadrature : the rule that the user asks for; None if none is asked for
    """

    network: ReLUNetwork
    target: Target
    measure: Measure
    quadrature: Quadrature | None = None

    @cached_property
    def pieces(self) -> PiecewisePolynomial:
        """The target on the measure's interval, as a piecewise polynomial; for one input."""
        if not isinstance(self.measure, LineMeasure):
            raise InputError("only a target on the line is a piecewise polynomial.")
        return self.target.on(*self.measure.interval)

    @cached_property
    def density(self) -> PiecewisePolynomial:
        """The density of the measure, as a piecewise polynomial; for one input."""
        if not isinstance(self.measure, LineMeasure):
            raise InputError("only a measure on the line has a piecewise polynomial density.")
        return self.measure.density()

    @cached_property
    def values(self) -> Array:
        """Return the target values at the points of a measure on points, shape (N, K)."""
        if not isinstance(self.measure, PointMeasure):
            raise InputError("only a measure on points has values on them.")
        if not isinstance(self.target, Labels):
            return finite_values(self.target, self.measure.points)
        if self.measure.labels is None:
            raise InputError(_NO_LABELS)
        return self.measure.labels

    def outputs(self) -> int:
        """Return the number K of the target's outputs.

        Raises
        ------
        InputError
            if target or measure cannot be integrated: a value that is no finite number, a density that is
            negative, no labels
        """
        if isinstance(self.measure, LineMeasure):
            _ = self.density
            return self.pieces.components
        if isinstance(self.measure, PointMeasure):
            return int(self.values.shape[1])
        if isinstance(self.target, Labels):
            raise InputError(_NO_LABELS)
        if isinstance(self.measure, BoxMeasure):
            (self.quadrature or Quadrature()).check(self.measure.dimension)
        return int(finite_values(self.target, _probes(self.measure)).shape[1])


def _probes(measure: Measure) -> Array:
    """Return points of a measure, shape (n, d), at which a target that is not finite is refused at once."""
    if not isinstance(measure, BoxMeasure):
        return measure.transport(sobol_points(measure.dimension, 256, seed=0))
    box = measure.box
    return np.asarray(box[:, 0] + (box[:, 1] - box[:, 0]) * sobol_points(len(box), 256, seed=0))


def finite_values(target: Target, points: Array) -> Array:
    """Return the target at points, shape (n, K), or raise InputError where it is not finite."""
    values = np.asarray(target.at(points), dtype=np.float64)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise InputError(
            f"the target {target.name!r} is not a finite number at x = {points[bad][0].tolist()}."
        )
    return values
