"""Second derivatives of the risk from its gradient, and the extreme eigenvalues of the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Maps vectors, shape (n, P), to the Hessian times each of them, shape (n, P).
Products = Callable[[Array], Array]

#: Up to this many parameters all eigenvalues are computed; beyond, Lanczos' method finds the extreme ones.
DENSE_PARAMETERS = 400


@dataclass(frozen=True)
class Curvature:
    """Extreme eigenvalues of the Hessian of the risk, in units of risk / parameter^2.

    Attributes
    ----------
    smallest : shape (k,), ascending
    largest : shape (k,), ascending; the last one is the sharpness
    """

    smallest: Array
    largest: Array

    @property
    def sharpness(self) -> float:
        """The largest eigenvalue: gradient descent is stable up to a step size of 2 / sharpness."""
        return float(self.largest[-1])


def differences(gradient: Callable[[Array], Array], theta: Array, vectors: Array) -> Array:
    """Return the Hessian times vectors by central differences of the gradient.

    (G(theta + h v) - G(theta - h v)) / 2h with h |v| = 6e-6 (1 + |theta|), where the errors of the formula,
    O(h^2), and of rounding, O(1e-16 / h), balance: some eight digits where the gradient is smooth.

    Parameters
    ----------
    gradient : maps (n, P) to (n, P)
    theta : shape (P,)
    vectors : shape (n, P)
    """
    lengths = np.linalg.norm(vectors, axis=1)
    reach = np.finfo(np.float64).eps ** (1 / 3) * (1.0 + float(np.linalg.norm(theta)))
    steps = reach / np.where(lengths > 0, lengths, 1.0)
    shifts = steps[:, None] * vectors
    both = gradient(np.concatenate([theta + shifts, theta - shifts]))
    return np.asarray((both[: len(vectors)] - both[len(vectors) :]) / (2.0 * steps[:, None]))


def extreme_eigenvalues(products: Products, parameters: int, count: int) -> Curvature:
    """Return the `count` smallest and largest eigenvalues of a symmetric matrix given by its products."""
    unknown = Curvature(np.full(count, np.nan), np.full(count, np.nan))
    if parameters <= max(DENSE_PARAMETERS, 4 * count):
        matrix = products(np.eye(parameters))
        if not np.isfinite(matrix).all():
            return unknown
        values = np.linalg.eigvalsh(0.5 * (matrix + matrix.T)).astype(np.float64)
        return Curvature(values[:count].copy(), values[-count:].copy())
    operator = scipy.sparse.linalg.LinearOperator(
        (parameters, parameters), matvec=lambda v: products(np.reshape(v, (1, -1)))[0], dtype=np.float64
    )
    start = np.random.Generator(np.random.PCG64(0)).normal(size=parameters)

    if not np.isfinite(products(start[None])).all():
        return unknown

    def extreme(which: Literal["SA", "LA"]) -> Array:
        width = max(40, 4 * count)
        found = scipy.sparse.linalg.eigsh(
            operator, count, which=which, v0=start, tol=1e-7, ncv=width, return_eigenvectors=False
        )
        return np.sort(np.asarray(found, dtype=np.float64))

    return Curvature(extreme("SA"), extreme("LA"))
