"""Filippov's choice where pre-activations of one neuron are 0: which sides are taken, and what slides.

The velocity of the row u = (w, b) of a neuron of the first hidden layer is q + sum over n of
s_n kappa_n (x_n, 1), with s_n = 1 where the neuron is active at point n and 0 where it is not. Where some
pre-activations (x_n, 1).u are 0, Filippov's set has every s_n in [0, 1]. Coincident points must be one point
here: they have one pre-activation, and one share between them.

As long as all kappa_n are negative, the set is the subdifferential of a convex function, and the solution is
unique: it moves with the shortest velocity in the set. kappa_n > 0 leads away from the kink on both sides.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Singular values of points count as 0 below this, relative to the largest.
_RANK = 1e-11
# Shares as near to 0 or 1 as this are 0 or 1; a rate below the second, relative to what it is made of, is 0.
_SHARE, _RATE = 1e-12, 1e-10
# Combinations of sides that are tried at points whose kinks lead away on both sides.
_MOST_TRIALS = 1024


def coincident(points: Array, distance: float) -> tuple[Integers, Integers]:
    """Return one of each group of points nearer to each other than a distance, and to which each belongs.

    Parameters
    ----------
    points : shape (N, d)
    distance : chains of points each nearer than this to the next are one group

    Returns
    -------
    first : the first point of each group, in the order of the points, shape (G,)
    group : shape (N,)
    """
    distinct, owner = np.unique(points, axis=0, return_inverse=True)
    count = len(distinct)
    near = scipy.spatial.KDTree(distinct).query_pairs(distance, output_type="ndarray")
    links = scipy.sparse.csr_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(count, count))
    _, labels = scipy.sparse.csgraph.connected_components(links, directed=False)
    _, first, inverse = np.unique(labels[owner.ravel()], return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[inverse]


def rank(vectors: Array) -> int:
    """Return the rank of vectors, shape (m, d + 1)."""
    return int(np.linalg.matrix_rank(vectors, tol=_RANK * np.linalg.norm(vectors, ord=2)))


def chosen(inactive: Array, vectors: Array, kappas: Array, preferred: Array) -> Array | None:
    """Return what Filippov's solution does at each point: 0 inactive, 1 active, 0.5 slides on the kink.

    Or None, if no consistent choice was found.

    Parameters
    ----------
    inactive : velocity of the row with the neuron inactive at all of the points, shape (d + 1,)
    vectors : (x_n, 1), shape (m, d + 1)
    kappas : what being active adds to the velocity, in units of the vectors, shape (m,)
    preferred : the sides, 0 or 1, that are tried first where a kink leads away on both, shape (m,)
    """
    repelling = np.flatnonzero(kappas >= 0.0)
    jumps = kappas[:, None] * vectors
    sizes = np.linalg.norm(vectors, axis=1)
    allowed = _RATE * sizes * (np.linalg.norm(inactive) + np.linalg.norm(jumps, axis=1).sum())
    first = preferred[repelling]
    others = (np.array(sides) for sides in itertools.product((0.0, 1.0), repeat=len(repelling)))
    for sides in itertools.islice(itertools.chain([first], others), _MOST_TRIALS):
        shares = preferred.astype(np.float64)
        shares[repelling] = sides
        _attract(shares, inactive, jumps, kappas < 0.0)
        rates = vectors @ (inactive + shares @ jumps)
        if np.all(np.where(sides > 0.0, rates[repelling], -rates[repelling]) >= -allowed[repelling]):
            break
    else:
        return None
    slides = (shares > 0.0) & (shares < 1.0)
    if slides.any() and rank(vectors) < len(vectors):
        # The shares are not unique: all points slide that the velocity does not lead off their kinks.
        slides |= (kappas < 0.0) & (np.abs(rates) <= allowed)
    return np.where(slides, 0.5, shares)


def _attract(shares: Array, inactive: Array, jumps: Array, attracting: NDArray[np.bool_]) -> None:
    """Set the shares of some points so that the velocity is as short as it can be."""
    if not attracting.any():
        return
    rest = inactive + shares[~attracting] @ jumps[~attracting]
    columns = jumps[attracting]
    if len(columns) == 1:
        found = np.clip(-(columns @ rest) / (columns[0] @ columns[0]), 0.0, 1.0)
    else:
        found = scipy.optimize.lsq_linear(columns.T, -rest, (0.0, 1.0), method="bvls", tol=1e-15).x
    found[found < _SHARE] = 0.0
    found[found > 1.0 - _SHARE] = 1.0
    shares[attracting] = found


class Sliding:
    """The points that one neuron slides on.

    Parameters
    ----------
    row : where its weights and bias are in y, shape (d + 1,)
    points : their numbers
    vectors : (x_n, 1) for each of them, shape (m, d + 1)
    """

    def __init__(self, row: Integers, points: list[int], vectors: Array) -> None:
        self.row = row
        self.points = points
        self.vectors = vectors
        self._inverse = np.linalg.pinv(vectors.T, rcond=_RANK)
        self.rank = rank(vectors)
        #: Whether the points are in general position, so that each velocity has its shares.
        self.independent = self.rank == len(points)

    def tangential(self, velocity: Array) -> Array:
        """Return the velocity of the row, shape (d + 1,), without what leads off the kinks."""
        return np.asarray(velocity - (self._inverse @ velocity) @ self.vectors)

    def coefficients(self, jump: Array) -> Array:
        """Return kappa_n of a change of velocity sum of kappa_n (x_n, 1), of independent points."""
        return np.asarray(self._inverse @ jump)

    def shares(self, inactive: Array, kappas: Array) -> Array:
        """Return the shares, shape (m,), for which the velocity stays on the kinks: while all are in [0, 1].

        Parameters
        ----------
        inactive : velocity of the row with the neuron inactive at all of the points, shape (d + 1,)
        kappas : what being active adds to it, in units of the vectors, shape (m,)
        """
        wanted = -(self._inverse @ inactive)
        if self.independent or np.any(kappas >= 0.0):
            # With kappa >= 0 the active side does not lead back to the kink.
            with np.errstate(divide="ignore", invalid="ignore"):
                found = np.where(kappas < 0.0, wanted / kappas, np.where(wanted < 0.0, 2.0, -1.0))
            return np.asarray(np.nan_to_num(found, nan=-1.0, posinf=2.0, neginf=-1.0))
        return self._central_shares(wanted, kappas)

    def _central_shares(self, wanted: Array, kappas: Array) -> Array:
        """Return, of all shares that stay on the kinks of dependent points, those furthest inside [0, 1]."""
        left, _, _ = np.linalg.svd(self.vectors.T, full_matrices=False)
        equations = left[:, : self.rank].T @ self.vectors.T
        values = equations @ wanted
        scale = np.abs(kappas).max()
        count = len(kappas)
        excess = np.full((2 * count, 1), -1.0)
        found = scipy.optimize.linprog(
            np.append(np.zeros(count), 1.0),
            A_ub=np.hstack([np.vstack([np.eye(count), -np.eye(count)]), excess]),
            b_ub=np.append(np.ones(count), np.zeros(count)),
            A_eq=np.hstack([equations * (kappas / scale), np.zeros((self.rank, 1))]),
            b_eq=values / scale,
            bounds=(None, None),
        )
        return np.full(count, -1.0) if found.x is None else np.asarray(found.x[:count])
