"""Samples of target and measure in a result, so that it can be read and drawn without them.

On an interval a fine grid; in the plane a grid of points; and for every measure but those on an interval
a sample: the points themselves, or points drawn from the density.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gfcompare.measures import BoxMeasure, LineMeasure, Measure, PointMeasure
from gfcompare.problem import Problem

Array = NDArray[np.float64]
#: Dimensions and values of variables, by name.
Variables = dict[str, tuple[tuple[str, ...], Array]]

#: Points of the grid on which target and density are stored on an interval.
GRID_POINTS = 401
#: Points of the grid on each axis of the plane.
PLANE_POINTS = 65
#: Points drawn from a measure with more inputs.
SAMPLE_POINTS = 1024


def portrait(problem: Problem) -> Variables:
    """Return the variables that show target and measure of a problem."""
    measure = problem.measure
    if isinstance(measure, PointMeasure):
        return _points(problem, measure)
    if isinstance(measure, BoxMeasure):
        plane = _plane(problem, measure) if measure.dimension == 2 else {}
        return plane | _sample(problem, measure)
    if not isinstance(measure, LineMeasure):
        return _sample(problem, measure)
    lower, upper = measure.box[0]
    x = np.linspace(float(lower), float(upper), GRID_POINTS)
    return {
        "x": (("x",), x),
        "target": (("x", "output"), problem.target_pieces(x)),
        "density": (("x",), problem.density(x)[:, 0]),
    }


def _points(problem: Problem, measure: PointMeasure) -> Variables:
    found: Variables = {
        "sample_x": (("point", "input"), measure.points),
        "sample_target": (("point", "output"), problem.values_on_points),
        "sample_weight": (("point",), measure.weights),
    }
    if problem.has_test:
        points, values = problem.test_points
        found["test_x"] = (("test_point", "input"), points)
        found["test_target"] = (("test_point", "output"), values)
    return found


def _plane(problem: Problem, measure: BoxMeasure) -> Variables:
    axes = [np.linspace(float(low), float(high), PLANE_POINTS) for low, high in measure.box]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    shape = (PLANE_POINTS, PLANE_POINTS)
    density = measure.density(points).reshape(shape)
    # What a function gives up to a factor is normalised by the trapezoidal rule on the grid.
    density = density / np.trapezoid(np.trapezoid(density, axes[1], axis=1), axes[0])
    return {
        "x_1": (("x_1",), axes[0]),
        "x_2": (("x_2",), axes[1]),
        "target": (("x_1", "x_2", "output"), problem.target.at(points).reshape(*shape, -1)),
        "density": (("x_1", "x_2"), density),
    }


def _sample(problem: Problem, measure: Measure) -> Variables:
    points = measure.sample(np.random.Generator(np.random.PCG64(0)), SAMPLE_POINTS)
    return {
        "sample_x": (("point", "input"), points),
        "sample_target": (("point", "output"), problem.target.at(points)),
        "sample_weight": (("point",), np.full(SAMPLE_POINTS, 1.0 / SAMPLE_POINTS)),
    }


def evaluation(problem: Problem) -> dict[str, Any]:
    """Return how risk and gradient are evaluated, as plain data: exactly, by quadrature or on points.

    And the groups of parameters that are frozen, if there are any.
    """
    return _rule(problem) | ({"frozen": list(problem.frozen)} if problem.frozen else {})


def _rule(problem: Problem) -> dict[str, Any]:
    if isinstance(problem.measure, PointMeasure):
        return {"kind": "points", "points": len(problem.measure.points)}
    rule = problem.rule
    if rule is None:
        return {"kind": "exact", "evaluator": problem.evaluation.name}
    return {
        "kind": "preintegration",
        "nodes": rule.nodes,
        "coordinate": rule.coordinate,
        "gradient_error": rule.error,
    }
