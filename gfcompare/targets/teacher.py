"""The function of a ReLU network as a target, random or given, exact along every line."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from gfcompare import piecewise
from gfcompare.components.component import require
from gfcompare.network import Layer, ReLUNetwork
from gfcompare.piecewise.segments import Lines
from gfcompare.targets.base import Array, SpaceTarget, inner_knots, numbers
from gfcompare.targets.terms import Terms


class NetworkTarget(SpaceTarget):
    """The function of a ReLU network; a subclass writes `network` and `theta`."""

    @property
    @abc.abstractmethod
    def network(self) -> ReLUNetwork:
        """The network."""

    @property
    @abc.abstractmethod
    def theta(self) -> Array:
        """The parameters, shape (P,)."""

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return self.network.outputs

    @property
    def dimension(self) -> int | None:
        """Number of inputs d."""
        return self.network.inputs

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        return self.network.realize(self.theta, self.checked(x))

    def degree(self, coordinate: int) -> int | None:
        """Return 1."""
        return 1

    def terms(self, box: Array) -> Terms | None:
        """Return the neurons of a teacher with one hidden layer, and its output bias."""
        if self.network.depth != 2:
            return None
        hidden, output = self.network.layers(self.theta)
        constants = [{(0,) * len(box): Fraction(float(c))} for c in output.bias]
        return Terms(len(box), tuple(constants), hidden.weight, hidden.bias, output.weight)

    def kinks(self, lines: Lines) -> Array:
        """Return the zeros of every hidden pre-activation on each segment, shape (B, q), NaN for none."""
        layers = self.network.layers(self.theta)
        blocks = [
            _breakpoints(layers, Lines(lines.lower, lines.upper, lines.coordinate, lines.nodes[first:last]))
            for first, last in _blocks(lines.count)
        ]
        most = max((block.shape[1] for block in blocks), default=0)
        missing = [((0, 0), (0, most - block.shape[1])) for block in blocks]
        return np.concatenate(
            [np.pad(b, width, constant_values=np.nan) for b, width in zip(blocks, missing, strict=True)]
        )

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], with the network's breakpoints as knots; d = 1."""
        self.line(lower, upper)
        inner = [b.position for b in self.network.breakpoints(self.theta, lower, upper)]
        knots = inner_knots(lower, upper, np.array(inner))
        return piecewise.from_values(knots, self.network.realize(self.theta, knots))


@dataclass(frozen=True)
class Teacher(NetworkTarget):
    """The function of a random ReLU network: every parameter is normal, hidden rows of norm about 1.

    Parameters
    ----------
    widths : sizes of the network's layers, from the number of inputs to the number of outputs
    seed : chooses the network
    scale : factor on the function
    """

    name: ClassVar[str] = "teacher"
    widths: Sequence[int] = (1, 4, 1)
    seed: int = 0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _ = self.network
        require(self.seed >= 0, f"seed must not be negative, got {self.seed}.")
        require(bool(np.isfinite(self.scale)), f"scale must be finite, got {self.scale}.")

    @property
    def network(self) -> ReLUNetwork:
        """The network."""
        return ReLUNetwork(tuple(self.widths))

    @property
    def theta(self) -> Array:
        """The parameters, shape (P,): variance 1 / (fan in + 1) below, 2 / fan in on top."""
        rng = np.random.Generator(np.random.PCG64(self.seed))
        layers: list[tuple[Array, Array]] = []
        widths = self.network.widths
        for before, after in itertools.pairwise(widths):
            last = len(layers) == len(widths) - 2
            deviation = self.scale * np.sqrt(2.0 / before) if last else np.sqrt(1.0 / (before + 1))
            layers.append((deviation * rng.normal(size=(after, before)), deviation * rng.normal(size=after)))
        return self.network.join(layers)


@dataclass(frozen=True)
class Network(NetworkTarget):
    """The function of a ReLU network with given parameters.

    Parameters
    ----------
    widths : sizes of the network's layers, from the number of inputs to the number of outputs
    parameters : each layer's weights row by row, then its biases, layer by layer: P numbers

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.targets.Network((1, 2, 1), [1, -1, 0, 0, 1, 1, 0]).at([[-3.0], [2.0]])  # |x|
    array([[3.],
           [2.]])
    """

    name: ClassVar[str] = "network"
    widths: Sequence[int]
    parameters: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(np.asarray(self.parameters).tolist()))
        theta = numbers(self.parameters, "parameters")
        count = self.network.parameter_count
        require(
            theta.shape == (count,),
            f"parameters must be {count} numbers for widths {list(self.widths)}, got {theta.size}.",
        )
        require(bool(np.isfinite(theta).all()), "parameters must be finite.")

    @property
    def network(self) -> ReLUNetwork:
        """The network."""
        return ReLUNetwork(tuple(self.widths))

    @property
    def theta(self) -> Array:
        """The parameters, shape (P,)."""
        return np.array(self.parameters, dtype=np.float64)


#: Segments that are refined at the same time: what is in memory grows with it.
_BLOCK = 1024


def _blocks(count: int) -> list[tuple[int, int]]:
    return [(first, min(first + _BLOCK, count)) for first in range(0, count, _BLOCK)]


def _breakpoints(layers: Sequence[Layer], lines: Lines) -> Array:
    """Return the zeros of the pre-activations of hidden layers on each segment, shape (B, q).

    Layer by layer the grid on each segment is refined with the sign changes between its points, on which
    the layers so far are affine.
    """
    grid = np.tile([lines.lower, lines.upper], (lines.count, 1))
    for hidden in range(1, len(layers)):
        values = lines.points(np.arange(lines.count), grid)
        for layer in layers[: hidden - 1]:
            values = np.maximum(values @ layer.weight.T + layer.bias, 0.0)
        z = values @ layers[hidden - 1].weight.T + layers[hidden - 1].bias
        found = _sign_changes(grid, z.reshape(*grid.shape, -1))
        # Where a segment has fewer zeros than another, its right end stands for them.
        grid = np.sort(np.concatenate([grid, np.where(np.isnan(found), lines.upper, found)], axis=1), axis=1)
    inside = (grid > lines.lower) & (grid < lines.upper)
    return _compact(np.where(inside, grid, np.nan))


def _sign_changes(grid: Array, z: Array) -> Array:
    """Return where functions that are affine between grid points, shape (B, n), change sign.

    Their values z there have shape (B, n, H), the result (B, q), NaN for none.
    """
    left, right = z[:, :-1], z[:, 1:]
    row, column, neuron = np.nonzero(np.sign(left) * np.sign(right) < 0)
    before, after = left[row, column, neuron], right[row, column, neuron]
    start, stop = grid[row, column], grid[row, column + 1]
    # np.nonzero goes through the rows in order: the zeros of each row are numbered from its first.
    number = np.arange(row.size) - np.searchsorted(row, row)
    found = np.full((len(grid), int(number.max(initial=-1)) + 1), np.nan)
    found[row, number] = start + before / (before - after) * (stop - start)
    return found


def _compact(table: Array) -> Array:
    """Return the rows sorted, without the columns that hold nothing but NaN."""
    most = int(np.isfinite(table).sum(axis=1).max(initial=0))
    return np.sort(table, axis=1)[:, :most]
