"""Fully connected ReLU networks: parameter layout, realisation, normalisation, invariants."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.errors import InputError, unknown_name

Array = NDArray[np.float64]

# More would be 0.8 GB for each state, of which a method has several.
_MOST_PARAMETERS = 10**8
_MOST_LAYERS = 1000


@functools.cache
def _kernels() -> ModuleType:
    """Return the compiled kernels: Numba takes half a second to load, and who reads a result needs none."""
    from gfcompare.kernels import manifold

    return manifold


@dataclass(frozen=True)
class Layer:
    """Weights and biases of one layer, as views of theta.

    Attributes
    ----------
    weight : ndarray, shape (..., out, in)
    bias : ndarray, shape (..., out)
    """

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Breakpoint:
    """A zero of one hidden neuron's pre-activation on the line."""

    layer: int
    neuron: int
    position: float


@dataclass(frozen=True)
class ReLUNetwork:
    """A fully connected network with ReLU activation on every hidden layer.

    N(x) = W^L s(W^{L-1} ... s(W^1 x + b^1) ...) + b^L with s(z) = max(z, 0). The parameters theta are
    (W^1, b^1, ..., W^L, b^L), each W row by row: P numbers. Every method takes theta of shape (..., P).

    Parameters
    ----------
    widths : the sizes (d, H_1, ..., H_{L-1}, K) of input, hidden layers and output

    Examples
    --------
    >>> import gfcompare as gfc
    >>> network = gfc.ReLUNetwork((1, 3, 1))
    >>> network.parameter_count
    10
    >>> one = gfc.ReLUNetwork((1, 1, 1))  # theta = (w, b, v, c)
    >>> one.realize([1.0, -0.5, 2.0, 0.25], [[0.0], [1.0]])  # v max(w x + b, 0) + c
    array([[0.25],
           [1.25]])
    """

    widths: tuple[int, ...]

    def __init__(self, widths: Sequence[int]) -> None:
        if not isinstance(widths, list | tuple):
            raise InputError(f"widths must be a list of integers such as [1, 16, 1], got {widths!r}.")
        if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) for n in widths):
            raise InputError(f"widths must be integers, got {list(widths)}.")
        if len(widths) < 3 or min(widths) < 1:
            raise InputError(
                "widths must be at least three positive integers (input, hidden..., output), "
                f"got {list(widths)}."
            )
        if len(widths) > _MOST_LAYERS:
            raise InputError(f"widths has {len(widths)} numbers, and at most {_MOST_LAYERS} are allowed.")
        object.__setattr__(self, "widths", tuple(int(n) for n in widths))
        if self.parameter_count > _MOST_PARAMETERS:
            raise InputError(
                f"widths {list(self.widths)!s:.80} make a network of {self.parameter_count} parameters, and "
                f"at most {_MOST_PARAMETERS} are allowed."
            )

    @cached_property
    def inputs(self) -> int:
        """Input dimension d."""
        return self.widths[0]

    @cached_property
    def outputs(self) -> int:
        """Output dimension K."""
        return self.widths[-1]

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.widths[1:-1]

    @cached_property
    def depth(self) -> int:
        """Number of layers L, the output layer included."""
        return len(self.widths) - 1

    @cached_property
    def _slices(self) -> tuple[tuple[slice, slice, tuple[int, int]], ...]:
        """Return the positions of each layer's weights and biases in theta, and the shape of the weights."""
        slices = []
        start = 0
        for before, after in itertools.pairwise(self.widths):
            middle, stop = start + before * after, start + (before + 1) * after
            slices.append((slice(start, middle), slice(middle, stop), (after, before)))
            start = stop
        return tuple(slices)

    @cached_property
    def shape(self) -> NDArray[np.int64]:
        """The widths as an array, for compiled code."""
        return np.array(self.widths, dtype=np.int64)

    def rows(self, theta: ArrayLike) -> tuple[Array, tuple[int, ...]]:
        """Return theta as contiguous rows, shape (M, P), and its leading shape."""
        array: Array
        if (
            isinstance(theta, np.ndarray)
            and theta.dtype == np.float64
            and theta.shape[-1:] == (self.parameter_count,)
        ):
            array = theta  # as nearly always; `check` takes longer to find that out
        else:
            array = self.check(theta)
        # For a read-only array Numba would compile every kernel again.
        if not (array.flags.c_contiguous and array.flags.writeable):
            array = np.array(array, order="C")
        shape = array.shape
        return array.reshape(-1, shape[-1]), shape[:-1]

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of groups of parameters: weight_1, bias_1, ..., weight_L, bias_L; and biases, all bias_k."""
        layers = range(1, self.depth + 1)
        return (*(f"{kind}_{k}" for k in layers for kind in ("weight", "bias")), "biases")

    def members(self, groups: Iterable[str]) -> NDArray[np.bool_]:
        """Return which parameters belong to one of some groups, shape (P,).

        Raises
        ------
        InputError
            if there is no such group
        """
        if isinstance(groups, str):
            raise InputError(f"groups of parameters must be a list such as [{groups!r}], got {groups!r}.")
        result = np.zeros(self.parameter_count, dtype=bool)
        for group in groups:
            if group not in self.groups:
                raise unknown_name("group of parameters", group, self.groups)
            for k, (weight, bias, *_) in enumerate(self._slices, start=1):
                result[weight] |= group == f"weight_{k}"
                result[bias] |= group in ("biases", f"bias_{k}")
        return result

    @cached_property
    def _hidden_count(self) -> int:
        return sum(self.hidden)

    @cached_property
    def parameter_count(self) -> int:
        """Number of parameters P."""
        return int(self._slices[-1][1].stop)

    def check(self, theta: ArrayLike) -> Array:
        """Return theta as a float64 array, or raise InputError if its last axis is not P long."""
        try:
            array = np.asarray(theta, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"theta must be an array of numbers, got {type(theta).__name__}.") from None
        if array.ndim == 0 or array.shape[-1] != self.parameter_count:
            raise InputError(
                f"theta must have shape (..., {self.parameter_count}) for widths {list(self.widths)}, "
                f"got {array.shape}."
            )
        return array

    def layers(self, theta: ArrayLike) -> tuple[Layer, ...]:
        """Return the weights and biases of each layer as views of theta, shape (..., P)."""
        array = self.check(theta)
        leading = array.shape[:-1]
        found = []
        for weight, bias, shape in self._slices:
            found.append(Layer(array[..., weight].reshape(leading + shape), array[..., bias]))
        return tuple(found)

    def first_layer(self, theta: ArrayLike) -> Layer:
        """Return the weights and biases of the first layer as views of theta, shape (..., P)."""
        array = self.check(theta)
        weight, bias, shape = self._slices[0]
        return Layer(array[..., weight].reshape(array.shape[:-1] + shape), array[..., bias])

    def join(self, layers: Sequence[Layer | tuple[ArrayLike, ArrayLike]]) -> Array:
        """Return theta, shape (..., P), from each layer or its (weight, bias): the inverse of `layers`."""
        if len(layers) != self.depth:
            raise InputError(f"widths {list(self.widths)} have {self.depth} layers, got {len(layers)}.")
        pairs = [(each.weight, each.bias) if isinstance(each, Layer) else each for each in layers]
        if any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
            raise InputError("each layer must be (weight, bias), or as `layers` returns it.")
        parts = []
        for (weight, bias), before, after in zip(pairs, self.widths[:-1], self.widths[1:], strict=True):
            w, b = np.asarray(weight, dtype=np.float64), np.asarray(bias, dtype=np.float64)
            if w.shape[-2:] != (after, before) or b.shape[-1:] != (after,):
                raise InputError(
                    f"a layer from {before} to {after} needs weight (..., {after}, {before}) and bias "
                    f"(..., {after}), got {w.shape} and {b.shape}."
                )
            parts += [w.reshape(*w.shape[:-2], -1), b]
        leading = np.broadcast_shapes(*(p.shape[:-1] for p in parts))
        return np.concatenate([np.broadcast_to(p, (*leading, p.shape[-1])) for p in parts], axis=-1)

    def realize(self, theta: ArrayLike, x: ArrayLike) -> Array:
        """Evaluate the network.

        Parameters
        ----------
        theta : shape (..., P)
        x : points, shape (n, d), or (n,) if d = 1

        Returns
        -------
        ndarray, shape (..., n, K)
        """
        points = np.asarray(x, dtype=np.float64)
        points = points[:, None] if points.ndim == 1 and self.inputs == 1 else points
        if points.ndim != 2 or points.shape[1] != self.inputs:
            raise InputError(f"x must have shape (n, {self.inputs}), got {np.shape(x)}.")
        layers = self.layers(theta)
        values = points
        for layer in layers[:-1]:
            z = values @ layer.weight.swapaxes(-1, -2) + layer.bias[..., None, :]
            values = np.maximum(z, 0.0)
        return np.asarray(values @ layers[-1].weight.swapaxes(-1, -2) + layers[-1].bias[..., None, :])

    def row_norms(self, theta: ArrayLike) -> tuple[Array, ...]:
        """Return |(W^k_i, b^k_i)| for each hidden layer k, each of shape (..., H_k)."""
        rows, leading = self.rows(theta)
        norms = np.empty((len(rows), self._hidden_count))
        _kernels().row_norms(self.shape, rows, norms)
        ends = [0, *itertools.accumulate(self.hidden)]
        return tuple([norms[:, a:b].reshape(*leading, b - a) for a, b in itertools.pairwise(ends)])

    def normalize(self, theta: ArrayLike) -> Array:
        """Map theta to the submanifold M without changing the function the network represents.

        Layer by layer, each hidden row (W^k_i, b^k_i) is divided by its norm and the outgoing column
        W^{k+1}_{.,i} multiplied by it. A zero row becomes the unit vector of its bias, with a zero
        outgoing column. See Eberle, Jentzen, Riekert, Weiss, arXiv:2207.06246.

        Returns
        -------
        ndarray, shape (..., P), every hidden row of norm 1 to rounding
        """
        rows, _ = self.rows(theta)
        result = rows.copy()
        _kernels().normalize(self.shape, result)
        return result.reshape(np.shape(theta))

    def retract(self, theta: ArrayLike) -> Array:
        """Divide each hidden row by its norm: the retraction to M (this changes the function)."""
        return self.polar(theta)[0]

    def polar(self, theta: ArrayLike) -> tuple[Array, Array]:
        """Return the retraction of theta to M, shape (..., P), and all row norms, (..., sum of H_k)."""
        rows, leading = self.rows(theta)
        result = rows.copy()
        norms = np.empty((len(rows), self._hidden_count))
        _kernels().retract(self.shape, result, norms)
        return result.reshape(np.shape(theta)), norms.reshape(*leading, self._hidden_count)

    def project(self, theta: ArrayLike, vector: ArrayLike, factors: ArrayLike = 1.0) -> Array:
        """Apply the projection P of the normalised flow at theta on M.

        Parameters
        ----------
        theta : on M, shape (..., P)
        vector : shape (..., P); its component along each hidden row of theta is removed
        factors : what is left of each hidden row is multiplied by these, shape (..., sum of H_k)
        """
        rows, leading = self.rows(theta)
        result = self.rows(vector)[0].copy()
        scale = np.empty((*leading, self._hidden_count))
        scale[...] = factors
        _kernels().project(self.shape, rows, result, scale.reshape(len(rows), self._hidden_count))
        return result.reshape(np.shape(theta))

    def distance_to_manifold(self, theta: ArrayLike) -> Array:
        """Return the Euclidean distance of theta from M, shape (...)."""
        squares = [((norm - 1.0) ** 2).sum(axis=-1) for norm in self.row_norms(theta)]
        return np.asarray(np.sqrt(np.sum(squares, axis=0)))

    def balancedness(self, theta: ArrayLike) -> tuple[Array, ...]:
        """Return |W^k_i|^2 + (b^k_i)^2 - |W^{k+1}_{.,i}|^2 for each hidden layer, shapes (..., H_k).

        The standard gradient flow conserves each of these numbers (Du, Hu, Lee, arXiv:1806.00900).
        """
        layers = self.layers(theta)
        return tuple(
            [
                (layer.weight**2).sum(axis=-1) + layer.bias**2 - (following.weight**2).sum(axis=-2)
                for layer, following in itertools.pairwise(layers)
            ]
        )

    def breakpoints(self, theta: ArrayLike, lower: float, upper: float) -> list[Breakpoint]:
        """Return the zeros in (lower, upper) of every hidden pre-activation, for d = 1 and any depth.

        Layer by layer the grid is refined with the sign changes, so that on each piece of the final grid
        the network is affine. A pre-activation that vanishes on a whole piece counts at neither end.

        Parameters
        ----------
        theta : shape (P,)
        """
        if self.inputs != 1:
            raise InputError(f"breakpoints need one input, the network has {self.inputs}.")
        layers = self.layers(theta)
        if layers[0].bias.ndim != 1:
            raise InputError(f"breakpoints need theta of shape (P,), got {np.shape(theta)}.")
        grid = np.array([lower, upper], dtype=np.float64)
        found = []
        for number, _ in enumerate(layers[:-1], start=1):
            z = _pre_activation(layers[:number], grid)
            crossings = []
            for neuron in range(z.shape[1]):
                for position in _zeros(grid, z[:, neuron]):
                    if lower < position < upper:
                        found.append(Breakpoint(number, neuron, position))
                        crossings.append(position)
            grid = np.union1d(grid, crossings)
        return found


def _pre_activation(layers: Sequence[Layer], x: Array) -> Array:
    """Pre-activations of the last of `layers` at x, shape (n, neurons)."""
    values = x[:, None]
    for layer in layers[:-1]:
        values = np.maximum(values @ layer.weight.T + layer.bias, 0.0)
    return np.asarray(values @ layers[-1].weight.T + layers[-1].bias)


def _zeros(grid: Array, z: Array) -> list[float]:
    """Zeros of a function that is linear between grid points, without those of zero pieces."""
    left, right = z[:-1], z[1:]
    inside = np.flatnonzero(np.sign(left) * np.sign(right) < 0)
    share = left[inside] / (left[inside] - right[inside])
    zeros = (grid[inside] + share * (grid[inside + 1] - grid[inside])).tolist()
    on_grid = [
        float(grid[j])
        for j in np.flatnonzero(z == 0.0)
        if (j == 0 or z[j - 1] != 0.0) and (j == len(z) - 1 or z[j + 1] != 0.0)
    ]
    return sorted([*zeros, *on_grid])
