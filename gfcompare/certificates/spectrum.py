"""Eigenvalues, inertia and lower bounds of symmetric matrices of balls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat

from gfcompare.certificates.balls import (
    ZERO,
    Array,
    dot,
    identity,
    middles,
    norm_bound,
    to_floats,
    to_matrix,
)


@dataclass(frozen=True)
class Spectrum:
    """Bounds of the eigenvalues of every symmetric matrix in a matrix of balls.

    Attributes
    ----------
    smallest, largest : balls with the smallest and the largest eigenvalue
    negative, positive : how many eigenvalues are proved to be negative and positive
    """

    smallest: arb
    largest: arb
    negative: int
    positive: int


def spectrum(matrix: arb_mat) -> Spectrum:
    """Enclose eigenvalues by an approximate basis of eigenvectors Q, and the inertia by a congruence.

    Q^T H Q = D + E with D diagonal: its eigenvalues are those of D up to |E| (Weyl), and those of H times
    numbers between the extreme eigenvalues of Q^T Q (Ostrowski). The signs come from another congruence, in
    which the eigenvalues are 1 or -1 up to less than 1 (Sylvester): small eigenvalues have signs too.
    """
    size = matrix.nrows()
    nothing = arb(0, arb.pos_inf())
    floats = _symmetric(to_floats(matrix))
    if not np.isfinite(floats).all():
        return Spectrum(nothing, nothing, 0, 0)
    values, vectors = np.linalg.eigh(floats)
    Q = to_matrix(vectors)
    diagonal = arb_mat(size, size, [float(values[k // size]) * (k % (size + 1) == 0) for k in range(size**2)])
    error = norm_bound(Q.transpose() * matrix * Q - diagonal)
    skew = norm_bound(Q.transpose() * Q - identity(size))
    if not skew < 1:
        return Spectrum(nothing, nothing, 0, 0)
    stretch = arb(1, skew)
    ends = [arb(float(values[k]), error) / stretch for k in (0, -1)]
    basis, signs = unit_congruence(matrix, definite=False)
    wanted = arb_mat(size, size, [int(signs[k // size]) * (k % (size + 1) == 0) for k in range(size**2)])
    if not norm_bound(basis.transpose() * matrix * basis - wanted) < 1:
        return Spectrum(ends[0], ends[1], 0, 0)
    if (signs > 0).all():
        ends[0] = _positive_part(ends[0])
    return Spectrum(ends[0], ends[1], int((signs < 0).sum()), int((signs > 0).sum()))


def _positive_part(smallest: arb) -> arb:
    """Return the part of a ball that is positive: a definite matrix has no other eigenvalues."""
    return smallest if smallest > 0 else ZERO.union(smallest.upper())


def unit_congruence(matrix: arb_mat, *, definite: bool, start: Array | None = None) -> tuple[arb_mat, Array]:
    """Return Z without radius, and signs, such that Z^T H Z is nearly diagonal with these signs.

    A hypothesis: whoever uses it encloses Z^T H Z. Each round takes the eigenvectors of the last product,
    whose condition is better than that of the one before, so that eigenvalues below the rounding of doubles
    are scaled too.

    Parameters
    ----------
    matrix : H, of which the midpoints are taken
    definite : whether all signs are to be 1
    start : a first Z; the identity, scaled by the diagonal, by default
    """
    H = middles(matrix)
    size = H.nrows()
    if start is None:
        diagonal = np.abs(np.diag(to_floats(H)))
        start = np.diag(1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)))
    Z = to_matrix(start)
    signs = np.ones(size)
    for _ in range(4):
        floats = _symmetric(to_floats(Z.transpose() * H * Z))
        if not np.isfinite(floats).all():
            break
        if np.abs(floats - np.diag(signs)).max(initial=0.0) < 1e-10:
            break
        values, vectors = np.linalg.eigh(floats)
        floor = 1e-17 * np.abs(values).max(initial=0.0) or 1.0
        scale = 1 / np.sqrt(np.maximum(np.abs(values), floor))
        if definite:
            Z = middles(Z * to_matrix(vectors @ np.diag(scale) @ vectors.T))
        else:
            signs = np.where(values < 0, -1.0, 1.0)
            Z = middles(Z * to_matrix(vectors * scale))
    return Z, signs


def square_norm_bound(matrix: arb_mat) -> arb:
    """Return an upper bound of the square of the 2-norm of every matrix in a matrix of balls."""
    return norm_bound(matrix.transpose() * matrix)


def row_square_norms(matrix: arb_mat) -> list[arb]:
    """Return the sum of squares of each row."""
    rows = matrix.tolist()
    return [dot(row, row) for row in rows]


def relative_variation(matrix: arb_mat, basis: arb_mat) -> arb:
    """Return an upper bound of |Z^T H Z - 1| over every symmetric H in a matrix of balls."""
    return norm_bound(basis.transpose() * matrix * basis - identity(matrix.nrows()))


def _symmetric(array: Array) -> Array:
    return np.asarray(0.5 * array + 0.5 * array.T)
