"""Preintegration: the quadrature rule on a box, exact along one coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy
from numpy.typing import NDArray

from gfcompare.components.component import require
from gfcompare.components.errors import InputError
from gfcompare.kernels.line_set import LineSet
from gfcompare.measures.box import BoxMeasure
from gfcompare.measures.sobol import sobol_points
from gfcompare.piecewise.antiderivatives import line_set
from gfcompare.piecewise.segments import Lines
from gfcompare.targets import Target

Array = NDArray[np.float64]

#: Relative error of the gradient that the default number of nodes aims at, for d = 2, d = 3 and more inputs.
ACCURACY = {2: 1e-6, 3: 1e-4}
ACCURACY_ABOVE = 1e-2
#: What the differences to other rules are multiplied by, to bound the error of the gradient. Set beforehand,
#: not fitted to data: `python -m benchmarks.quadrature_coverage` measures in how many cases it is a bound.
SAFETY = 2.0
#: The default number of nodes never exceeds this.
MOST_NODES = 4096
#: Nodes that can be asked for: with more, target and measure on their lines fill the memory, and
#: Gauss-Legendre points are found in a time that grows with the square of their number.
MOST_GIVEN, MOST_ON_A_LINE = 2**18, 2**13


@dataclass(frozen=True)
class Quadrature:
    """The quadrature of the risk over a box: exact along one coordinate, with nodes in the others.

    The nodes are Gauss-Legendre points (d = 2), a square grid of them (d = 3), or a scrambled Sobol sequence
    (d > 3), all mapped by the quantiles of the measure where the inputs are independent. Integrating
    one coordinate exactly makes the risk smooth in the parameters (Griebel, Kuo, Sloan,
    doi:10.1090/S0025-5718-2012-02578-5, call it the smoothing effect of integration).

    Parameters
    ----------
    nodes : number of nodes; a square for d = 3, a power of 2 for d > 3. By default it is doubled until the
        estimated relative error of the gradient is below 1e-6 (d = 2), 1e-4 (d = 3) or 1e-2 (d > 3), or it
        has reached 4096
    coordinate : the coordinate that is integrated exactly, counted from 1. By default the one with
        which 64 nodes are the most accurate

    Examples
    --------
    >>> import gfcompare as gfc
    >>> square = gfc.measures.Box([0.0, 0.0], [1.0, 1.0])
    >>> network, target = gfc.ReLUNetwork((2, 4, 1)), gfc.targets.RadialBump([0.5, 0.5])
    >>> problem = gfc.Problem(network, target, square, gfc.Quadrature(nodes=32))
    >>> problem.rule.nodes
    32
    """

    nodes: int | None = None
    coordinate: int | None = None

    def __post_init__(self) -> None:
        for key in ("nodes", "coordinate"):
            value = getattr(self, key)
            whole = isinstance(value, int) and not isinstance(value, bool)
            require(
                value is None or (whole and value >= 1), f"{key} must be a positive integer, got {value!r}."
            )

    def check(self, dimension: int) -> None:
        """Raise InputError if this is no rule in d dimensions."""
        require(
            self.coordinate is None or self.coordinate <= dimension,
            f"coordinate must lie between 1 and d = {dimension}, got {self.coordinate}.",
        )
        if self.nodes is None:
            return
        most = MOST_GIVEN if dimension > 2 else MOST_ON_A_LINE
        require(self.nodes <= most, f"nodes must be at most {most} for d = {dimension}, got {self.nodes}.")
        root = round(self.nodes**0.5)
        require(
            dimension != 3 or root * root == self.nodes,
            f"for d = 3 the nodes form a square: use {max(root, 1) ** 2} or {(root + 1) ** 2} nodes, "
            f"not {self.nodes}.",
        )
        power = 1 << max(self.nodes.bit_length() - 1, 0)
        require(
            dimension < 4 or power == self.nodes,
            f"for d > 3 the number of nodes is a power of 2: use {power} or {2 * power}, not {self.nodes}.",
        )


@dataclass(frozen=True)
class Rule:
    """The quadrature in use, and how far random networks were from converged with it.

    Attributes
    ----------
    nodes : number of nodes
    coordinate : the coordinate that is integrated exactly, counted from 1
    error : largest relative difference to the gradient with twice as many nodes, over 8 random networks; that
        of trained networks is mostly larger: `Problem.quadrature_error`
    """

    nodes: int
    coordinate: int
    error: float


@dataclass(frozen=True)
class SlicesRule:
    """The Gauss-Legendre rule in use, and how far random networks were from converged with it.

    Attributes
    ----------
    nodes : in each input that is not integrated exactly
    coordinates : the three that are, counted from 1
    error : largest relative difference to the gradient with half as many nodes again, over 8 random networks;
        that of trained networks may be larger: `Problem.quadrature_error`
    """

    nodes: int
    coordinates: tuple[int, ...]
    error: float


@cache
def unit_rule(count: int, dimension: int, scramble: int = 0) -> tuple[Array, Array]:
    """Return nodes in the unit cube, shape (B, dimension), and their weights, shape (B,).

    `scramble` chooses among independent Sobol sequences, above two dimensions.
    """
    if dimension <= 2:
        each = count if dimension == 1 else round(count**0.5)
        x, w = scipy.special.roots_legendre(each)
        x, w = 0.5 * (x + 1.0), 0.5 * w
        if dimension == 1:
            return x[:, None], w
        grid = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
        return grid, np.outer(w, w).ravel()
    nodes = sobol_points(dimension, count, scramble)
    return nodes, np.full(count, 1.0 / count)


def preintegrated(
    target: Target, measure: BoxMeasure, count: int, coordinate: int, scramble: int = 0
) -> LineSet:
    """Prepare target and measure on the lines of a rule.

    Parameters
    ----------
    target, measure : with the same number of inputs d
    count : number of nodes
    coordinate : the one that is integrated exactly, counted from 0
    scramble : of the Sobol sequence

    Raises
    ------
    InputError
        if the target or the density cannot be turned into piecewise polynomials along the coordinate
    """
    uniforms, weights = unit_rule(count, measure.dimension - 1, scramble)
    nodes, factors = measure.nodes(uniforms, coordinate)
    lower, upper = measure.box[coordinate]
    lines = Lines(float(lower), float(upper), coordinate, nodes)
    density = measure.along(lines)
    shares = weights * factors
    total = float(shares @ density.integral()[:, 0])
    if not total > 0:
        raise InputError(f"the density has total mass {total:g}; it must be positive.")
    return line_set(lines, target.along(lines), density, shares / total)
