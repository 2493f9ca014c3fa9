"""Random initial networks, by name."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import Component, check_instance, require
from gfcompare.network import ReLUNetwork

Array = NDArray[np.float64]
#: Draws an array: (rng, shape, fan in, fan out, is this the last layer).
_Draw = Callable[[np.random.Generator, tuple[int, ...], int, int, bool], Array]


@dataclass(frozen=True)
class Initialization(Component, abc.ABC):
    """A distribution of initial networks.

    Parameters
    ----------
    scale : factor on every parameter that is drawn
    on_manifold : return the normalised form of the network, on the submanifold M: the same function
    """

    name: ClassVar[str]
    scale: float = 1.0
    on_manifold: bool = False

    def __post_init__(self) -> None:
        require(
            isinstance(self.scale, int | float | np.integer | np.floating),
            f"scale must be a number, got {self.scale!r}.",
        )
        require(
            bool(np.isfinite(self.scale)) and self.scale >= 0,
            f"scale must be finite and not negative, got {self.scale}.",
        )

    def draw(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters theta, shape (P,)."""
        _check_draw(network, rng)
        theta = network.check(self.parameters(network, rng)) * self.scale
        return network.normalize(theta) if self.on_manifold else theta

    @abc.abstractmethod
    def parameters(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters, shape (P,), before scaling."""


def _check_draw(network: ReLUNetwork, rng: np.random.Generator) -> None:
    check_instance(network, ReLUNetwork, "the network")
    check_instance(rng, np.random.Generator, "rng")


def _layer_by_layer(network: ReLUNetwork, rng: np.random.Generator, weight: _Draw, bias: _Draw) -> Array:
    layers: list[tuple[Array, Array]] = []
    widths = network.widths
    for before, after in itertools.pairwise(widths):
        last = len(layers) == network.depth - 1
        layers.append(
            (weight(rng, (after, before), before, after, last), bias(rng, (after,), before, after, last))
        )
    return network.join(layers)


@dataclass(frozen=True)
class He(Initialization):
    """Normal weights of variance 2 / fan in, hidden biases alike (He et al., doi:10.1109/ICCV.2015.123).

    Parameters
    ----------
    bias_scale : standard deviation of the hidden biases relative to that of the weights. The paper
        has 0, which in one dimension puts every breakpoint at the origin; the output bias is 0

    Examples
    --------
    >>> import numpy as np
    >>> import gfcompare as gfc
    >>> network = gfc.ReLUNetwork((1, 3, 1))
    >>> gfc.initializations.He().draw(network, np.random.default_rng(0)).shape
    (10,)
    """

    name: ClassVar[str] = "he"
    bias_scale: float = 1.0

    def parameters(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters, shape (P,), before scaling."""
        return _layer_by_layer(network, rng, self._weight, self._bias)

    @staticmethod
    def _weight(
        rng: np.random.Generator, shape: tuple[int, ...], before: int, after: int, last: bool
    ) -> Array:
        return rng.normal(scale=np.sqrt(2.0 / before), size=shape)

    def _bias(
        self, rng: np.random.Generator, shape: tuple[int, ...], before: int, after: int, last: bool
    ) -> Array:
        draw = self._weight(rng, shape, before, after, last)
        return draw * (0.0 if last else self.bias_scale)


@dataclass(frozen=True)
class Xavier(Initialization):
    """Uniform weights of variance 2 / (fan in + fan out), hidden biases alike (Glorot, Bengio, AISTATS 2010).

    Parameters
    ----------
    bias_scale : width of the hidden biases relative to that of the weights; the paper has 0
    """

    name: ClassVar[str] = "xavier"
    bias_scale: float = 1.0

    def parameters(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters, shape (P,), before scaling."""
        return _layer_by_layer(network, rng, self._weight, self._bias)

    @staticmethod
    def _weight(
        rng: np.random.Generator, shape: tuple[int, ...], before: int, after: int, last: bool
    ) -> Array:
        limit = np.sqrt(6.0 / (before + after))
        return rng.uniform(-limit, limit, size=shape)

    def _bias(
        self, rng: np.random.Generator, shape: tuple[int, ...], before: int, after: int, last: bool
    ) -> Array:
        draw = self._weight(rng, shape, before, after, last)
        return draw * (0.0 if last else self.bias_scale)


@dataclass(frozen=True)
class Uniform(Initialization):
    """Every parameter uniform on [-scale, scale]."""

    name: ClassVar[str] = "uniform"

    def parameters(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters, shape (P,), before scaling."""
        return rng.uniform(-1.0, 1.0, size=network.parameter_count)


@dataclass(frozen=True)
class Normal(Initialization):
    """Every parameter normal with standard deviation scale."""

    name: ClassVar[str] = "normal"

    def parameters(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters, shape (P,), before scaling."""
        return rng.normal(size=network.parameter_count)


@dataclass(frozen=True)
class Sphere(Initialization):
    """On M: hidden rows uniform on the unit sphere, output weights normal, output bias 0.

    The output weights have variance 2 / fan in, times the square of `scale`.
    """

    name: ClassVar[str] = "sphere"

    def draw(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters theta on M, shape (P,)."""
        _check_draw(network, rng)
        return self.parameters(network, rng)

    def parameters(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters on M, shape (P,)."""

        def weight(
            rng: np.random.Generator, shape: tuple[int, ...], before: int, after: int, last: bool
        ) -> Array:
            deviation = self.scale * np.sqrt(2.0 / before) if last else 1.0
            return rng.normal(scale=deviation, size=shape)

        def bias(
            rng: np.random.Generator, shape: tuple[int, ...], before: int, after: int, last: bool
        ) -> Array:
            return np.zeros(shape) if last else rng.normal(size=shape)

        return network.retract(_layer_by_layer(network, rng, weight, bias))


@dataclass(frozen=True)
class NearAffine(Initialization):
    """Near slope x + intercept: a small initial risk for an affine target.

    The first neuron is active on the whole interval and represents the affine function with the output
    bias; every parameter then gets normal noise. This is where the theorem of Jentzen and Riekert
    (arXiv:2107.04479) on affine targets starts: from a small initial risk. Networks of depth 2 with one
    input and one output.

    Parameters
    ----------
    slope, intercept : of the affine function
    lower : left end of the interval on which the first neuron is active
    spread : standard deviation of the noise
    """

    name: ClassVar[str] = "near-affine"
    slope: float = 1.0
    intercept: float = 0.0
    lower: float = 0.0
    spread: float = 0.05

    def parameters(self, network: ReLUNetwork, rng: np.random.Generator) -> Array:
        """Draw parameters, shape (P,), before scaling."""
        require(
            network.inputs == 1 and network.outputs == 1 and network.depth == 2,
            f"near-affine needs widths [1, H, 1], got {list(network.widths)}.",
        )
        (hidden,) = network.hidden
        root = np.sqrt(abs(self.slope))
        weight, bias, outgoing = np.zeros((hidden, 1)), np.zeros(hidden), np.zeros((1, hidden))
        weight[0], bias[0] = root, root * (1.0 - self.lower)
        outgoing[0, 0] = np.copysign(root, self.slope)
        offset = self.intercept - outgoing[0, 0] * bias[0]
        centre = network.join([(weight, bias), (outgoing, np.array([offset]))])
        return centre + self.spread * rng.normal(size=network.parameter_count)
