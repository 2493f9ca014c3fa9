"""The normal distribution as an input measure, in any dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import scipy

from gfcompare.components.component import require
from gfcompare.components.errors import InputError
from gfcompare.measures.base import Array, Measure
from gfcompare.measures.box import MOST_INPUTS

#: One number, one for each input, or d lists of d numbers.
Covariance = float | Sequence[float] | Sequence[Sequence[float]]

#: Standard deviations on both sides of the mean that `box` holds: all but 1.3e-15 of the mass of an input.
REACH = 8.0
# Rounding that a covariance matrix may have, relative to its largest entry: of symmetry, and of eigenvalues.
_ROUNDING = 1e-12
# Eigenvalues below this, times their number and relative to the largest entry, are rounding of 0.
_NOTHING = 1e-15


@dataclass(frozen=True)
class Gaussian(Measure):
    """The normal distribution with given mean and covariance.

    Risk, gradient and Hessian of networks with one hidden layer are exact under it, in any dimension, for
    teachers with one hidden layer, constant and affine targets, polynomials of total degree up to 3, and
    ridge functions of a polynomial of degree up to 8. For anything else replace it by points: `discretize`.

    Parameters
    ----------
    mean : a number, or one for each input
    covariance : a variance for all inputs, one for each input, or the matrix as d lists of d numbers,
        symmetric and positive semidefinite, not zero
    dimension : number of inputs d

    Raises
    ------
    InputError
        if lengths disagree, or the covariance is none

    Examples
    --------
    >>> import gfcompare as gfc
    >>> measure = gfc.measures.Gaussian(covariance=[[1.0, 0.5], [0.5, 1.0]], dimension=2)
    >>> network = gfc.ReLUNetwork((2, 1, 1))
    >>> problem = gfc.Problem(network, gfc.targets.Constant(0.0), measure)
    >>> print(f"{problem.risk([1.0, 0.0, 0.0, 1.0, 0.0]):.6f}")  # half of the variance of x_1
    0.500000
    """

    name: ClassVar[str] = "gaussian"
    mean: float | Sequence[float] = 0.0
    covariance: Covariance = 1.0
    dimension: int = 2

    def __post_init__(self) -> None:
        for key in ("mean", "covariance"):  # lists from a study file become tuples, so that it can be hashed
            object.__setattr__(self, key, _hashable(getattr(self, key)))
        whole = isinstance(self.dimension, int) and not isinstance(self.dimension, bool)
        require(
            whole and 1 <= self.dimension <= MOST_INPUTS,
            f"dimension must be an integer from 1 to {MOST_INPUTS}, got {self.dimension!r}.",
        )
        _ = self.centre, self.factor

    @cached_property
    def centre(self) -> Array:
        """The mean of each input, shape (d,)."""
        d = self.dimension
        mean = _numbers(self.mean, "mean", f"a number or {d} numbers")
        require(
            mean.shape in ((), (1,), (d,)),
            f"mean must be a number or {d} numbers, one for each input, got {mean.size}.",
        )
        return np.array(np.broadcast_to(mean, (d,)))

    @cached_property
    def factor(self) -> Array:
        """A with A A^T the covariance, shape (d, r) for rank r; its diagonal, (1, d), if it is diagonal."""
        d = self.dimension
        allowed = f"a variance, {d} variances, or {d} lists of {d} numbers"
        matrix = _numbers(self.covariance, "covariance", allowed)
        require(
            matrix.shape in ((), (1,), (d,), (d, d)),
            f"covariance must be {allowed} for dimension = {d}, got shape {matrix.shape}.",
        )
        if matrix.ndim < 2:
            variances = np.broadcast_to(matrix, (d,))
            require(
                bool((variances >= 0).all() and variances.max() > 0),
                f"variances must not be negative, and not all 0, got {variances.min():g}.",
            )
            return np.sqrt(variances)[None]
        return _factor(matrix)

    @property
    def deviations(self) -> Array:
        """The standard deviation of each input, shape (d,)."""
        if len(self.factor) == 1:
            return np.asarray(self.factor[0])
        return np.asarray(np.sqrt((self.factor**2).sum(axis=1)))

    @property
    def box(self) -> Array:
        """Ends of a box that holds all but 1.3e-15 of the mass of each input, shape (d, 2)."""
        reach = REACH * self.deviations
        return np.stack([self.centre - reach, self.centre + reach], axis=1)

    def whiten(self, rows: Array) -> Array:
        """Return A^T w for each row w, shape (n, d): w.x is that of a standard normal vector, plus w.mean."""
        return np.asarray(rows * self.factor[0] if len(self.factor) == 1 else rows @ self.factor)

    def transport(self, uniforms: Array) -> Array:
        """Map uniform numbers, shape (..., d), to points, by the quantiles of independent normal numbers."""
        # Numbers from [0, 1) are multiples of 2^-53: 0 stands for what is below the first.
        normals = scipy.special.ndtri(np.maximum(uniforms, 2.0**-54))
        if len(self.factor) == 1:
            return np.asarray(self.centre + normals * self.factor[0])
        return np.asarray(self.centre + normals[..., : self.factor.shape[1]] @ self.factor.T)


def _hashable(value: object) -> object:
    """Return nested lists and arrays as tuples."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _numbers(value: object, key: str, allowed: str) -> Array:
    """Return finite numbers as an array, or raise InputError."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{key} must be {allowed}, got {value!r}.") from None
    require(bool(np.isfinite(array).all()), f"{key} must be finite.")
    return array


def _factor(matrix: Array) -> Array:
    """Return A, shape (d, r), with A A^T = matrix, a covariance of rank r, or raise InputError."""
    largest = float(np.abs(matrix).max())
    require(largest > 0, "covariance must not be zero: all points would be one.")
    gap = np.abs(matrix - matrix.T)
    row, column = np.unravel_index(int(gap.argmax()), gap.shape)
    require(
        bool(gap.max() <= _ROUNDING * largest),
        f"covariance must be symmetric, but entries ({row + 1}, {column + 1}) and ({column + 1}, {row + 1}) "
        f"are {matrix[row, column]:g} and {matrix[column, row]:g}.",
    )
    scaled = 0.5 * (matrix + matrix.T) / largest
    off = scaled - np.diag(np.diag(scaled))
    if not off.any() and (np.diag(scaled) > 0).all():
        return np.sqrt(np.diag(matrix))[None]
    values, vectors = np.linalg.eigh(scaled)
    require(
        bool(values[0] >= -_ROUNDING * len(scaled)),
        f"covariance must be positive semidefinite, its smallest eigenvalue is {largest * values[0]:g}.",
    )
    # The largest first: Sobol points are the more even the earlier a coordinate comes.
    kept = np.flatnonzero(values > _NOTHING * len(scaled))[::-1]
    return np.asarray(np.sqrt(largest * values[kept]) * vectors[:, kept])
