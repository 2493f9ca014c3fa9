"""Tables of the half-plane moments of a smooth function on a square, for targets that are no polynomials.

Where a line crosses the square S = [-1, 1]^2, it enters on one edge and leaves on another, at coordinates
(s, t) in [-1, 1]^2. On each of the 12 pairs of edges the integrals of f, x_1 f and x_2 f over the part of S
on one side are smooth functions of (s, t) if f is smooth: Chebyshev series, the coefficients of which are
tabulated. So are the integrals along the chord, which the Hessian needs. The part of S is put together of
triangles with a corner in 0, over which f is integrated by Gauss-Legendre quadrature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Maps points of the square, shape (n, 2), to values, shape (n, K).
Values = Callable[[Array], Array]

#: The error that tables may have, relative to the largest value of f.
ACCURACY = 1e-12
# Coefficients in each direction, and nodes of the quadrature in each direction.
_SIZES = ((16, 16), (24, 22), (32, 28), (48, 38))
# Places on each pair of edges, at which a table is compared with a finer quadrature; and lines through S
# along which a function is looked at first, with as many coefficients, the last quarter of which is small.
_CHECKED, _LINES, _COEFFICIENTS = 24, 24, 96
_PAIRS = [(a, b) for a in range(4) for b in range(a + 1, 4)]
# An edge with the next one, and with the opposite one: they tell whether a size will do.
_TRIED = _PAIRS[:2]


@dataclass(frozen=True)
class MomentTables:
    """The half-plane moments of K functions.

    Attributes
    ----------
    tables : shape (16, K, 6, n, n), coefficients for the pair 4 a + b of edges, entered and left: integrals
        of f, x_1 f, x_2 f over the part of S to the left of the chord from where it leaves to where it
        enters; and along that chord, with a place in [0, 1], of f times 1, the place, and its square
    total : shape (K, 3), integrals of f, x_1 f, x_2 f over S
    squares : shape (K,), integrals of f^2 over S
    error : the largest that was found, relative to the largest value
    """

    tables: Array
    total: Array
    squares: Array
    error: float


def moment_tables(f: Values) -> MomentTables | None:
    """Return the tables of a function, or None if they do not reach `ACCURACY`."""
    scale = _smooth_size(f)
    if scale is None:
        return None
    for count, nodes in _SIZES:
        tables, _ = _build(f, count, nodes, _TRIED)
        if (_error(f, tables, nodes + 10, _TRIED) > ACCURACY * scale).any():
            continue
        tables, total = _build(f, count, nodes, _PAIRS)
        error = _error(f, tables, nodes + 10, [*_PAIRS, *((b, a) for a, b in _PAIRS)]) / scale
        if (error <= ACCURACY).all():
            return MomentTables(tables, total, _squares(f, 2 * nodes), float(error.max()))
    return None


def _squares(f: Values, nodes: int) -> Array:
    """Return the integrals of f^2 over the square, shape (K,)."""
    x, w = scipy.special.roots_legendre(nodes)
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.asarray(np.outer(w, w).ravel() @ f(grid) ** 2)


def _smooth_size(f: Values) -> Array | None:
    """Return the largest values of f, shape (K,), or None if it is not smooth along some lines."""
    rng = np.random.Generator(np.random.PCG64(0))
    nodes = chebyshev.chebpts1(_COEFFICIENTS)
    ends = rng.uniform(-1.0, 1.0, (2, _LINES, 1, 2))
    ends[0, ..., 0], ends[1, ..., 0] = -1.0, 1.0
    ends[:, ::2] = ends[:, ::2, :, ::-1]  # every other line goes from the lower to the upper edge
    places = 0.5 * ((1.0 - nodes[:, None]) * ends[0] + (1.0 + nodes[:, None]) * ends[1])
    values = f(places.reshape(-1, 2)).reshape(_LINES, _COEFFICIENTS, -1)
    scale = np.abs(values).max(axis=(0, 1))
    scale = np.where(scale > 0.0, scale, 1.0)
    series = np.einsum("cn,lnk->clk", _to_coefficients(_COEFFICIENTS), values)
    rest = np.abs(series[-_COEFFICIENTS // 4 :]).max(axis=(0, 1))
    return scale if bool((rest <= 1e-13 * scale).all()) else None


def _to_coefficients(count: int) -> Array:
    """Return the matrix that maps values at Chebyshev points to coefficients."""
    return np.asarray(np.linalg.inv(chebyshev.chebvander(chebyshev.chebpts1(count), count - 1)))


def _point(edge: int, t: Array) -> Array:
    """Return the points of an edge, shape (..., 2)."""
    one = np.ones_like(t)
    return np.stack([(t, -one), (one, t), (-t, one), (-one, -t)][edge], axis=-1)


def _triangles(f: Values, begin: Array, end: Array, nodes: int) -> Array:
    """Return signed integrals of f, x_1 f, x_2 f over the triangles (0, begin, end), shape (N, K, 3).

    In the same order, integrals of f along the side from begin to end times 1, t and t^2 follow: (N, K, 6).
    """
    s, w = scipy.special.roots_legendre(nodes)
    s, w = 0.5 * (s + 1.0), 0.5 * w
    area = begin[:, 0] * end[:, 1] - begin[:, 1] * end[:, 0]
    side = begin[:, None] + s[:, None] * (end - begin)[:, None]  # (N, g, 2)
    parts = []
    for first in range(0, len(begin), 512):
        block = side[first : first + 512]
        inner = block[:, :, None] * s[:, None]  # (N, g, g, 2), towards the corner in 0
        values = f(inner.reshape(-1, 2)).reshape(*inner.shape[:3], -1)
        weighted = values * (w[:, None] * w * s)[..., None]
        moments = [weighted.sum(axis=(1, 2))]
        moments += [np.einsum("nabk,nab->nk", weighted, inner[..., j]) for j in range(2)]
        area_moments = np.stack(moments, axis=-1) * area[first : first + 512, None, None]
        on_side = f(block.reshape(-1, 2)).reshape(*block.shape[:2], -1)
        along = np.stack([np.einsum("nak,a->nk", on_side, w * s**q) for q in range(3)], axis=-1)
        parts.append(np.concatenate([area_moments, along], axis=-1))
    return np.concatenate(parts)


def _arcs(f: Values, edge: int, t: Array, nodes: int) -> Array:
    """Return the integrals over the triangles from where an edge begins to its coordinates t, (n, K, 3)."""
    begin = np.repeat(_point(edge, np.array([-1.0])), len(t), axis=0)
    return _triangles(f, begin, _point(edge, t), nodes)[..., :3]


def _whole(f: Values, nodes: int) -> Array:
    """Return the integrals over the triangles of the four edges, shape (4, K, 3)."""
    end = np.array([1.0])
    return np.concatenate([_arcs(f, edge, end, nodes) for edge in range(4)])


def _with_arcs(chord: Array, enter: int, leave: int, arcs: tuple[Array, Array], whole: Array) -> Array:
    """Return the moments of a pair of edges from those of the triangles of its chords, (..., K, 6).

    `arcs` holds the integrals over the triangles of the parts of both edges, `whole` those of all edges.
    """
    arc = arcs[1] - arcs[0]
    edge = enter
    while edge != leave:
        arc = arc + whole[edge]
        edge = (edge + 1) % 4
    return np.concatenate([chord[..., :3] + arc, chord[..., 3:]], axis=-1)


def _reversed(chord: Array) -> Array:
    """Return the integrals of the triangles with their sides the other way round."""
    along = chord[..., 3:]
    one, first, second = along[..., 0], along[..., 1], along[..., 2]
    turned = np.stack([one, one - first, one - 2.0 * first + second], axis=-1)
    return np.concatenate([-chord[..., :3], turned], axis=-1)


def _build(f: Values, count: int, nodes: int, pairs: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """Return tables of pairs of edges and of their reverses, and the integrals over the square."""
    places, inverse = chebyshev.chebpts1(count), _to_coefficients(count)
    whole = _whole(f, nodes)
    arcs = [_arcs(f, edge, places, nodes) for edge in range(4)]
    s, t = (g.ravel() for g in np.meshgrid(places, places, indexing="ij"))
    tables = np.zeros((16, whole.shape[1], 6, count, count))
    for a, b in pairs:
        chord = _triangles(f, _point(b, t), _point(a, s), nodes).reshape(count, count, -1, 6)
        for enter, leave, part in ((a, b, chord), (b, a, _reversed(chord).swapaxes(0, 1))):
            moments = _with_arcs(part, enter, leave, (arcs[enter][:, None], arcs[leave][None]), whole)
            tables[4 * enter + leave] = np.einsum(
                "as,stkj,bt->kjab", inverse, moments, inverse, optimize=True
            )
    return tables, whole.sum(axis=0)


def _error(f: Values, tables: Array, nodes: int, pairs: Sequence[tuple[int, int]]) -> Array:
    """Return the largest difference to a finer quadrature at random places, shape (K,)."""
    rng = np.random.Generator(np.random.PCG64(1))
    whole = _whole(f, nodes)
    error = np.zeros(tables.shape[1])
    for enter, leave in pairs:
        s, t = rng.uniform(-1.0, 1.0, (2, _CHECKED))
        s[0], t[0] = 1.0, -1.0
        chord = _triangles(f, _point(leave, t), _point(enter, s), nodes)
        arcs = _arcs(f, enter, s, nodes), _arcs(f, leave, t, nodes)
        exact = _with_arcs(chord, enter, leave, arcs, whole)
        table = np.moveaxis(tables[4 * enter + leave], (2, 3), (0, 1))
        values = chebyshev.chebval2d(s, t, table)  # (K, 6, n)
        error = np.maximum(error, np.abs(np.moveaxis(exact, 0, -1) - values).max(axis=(1, 2)))
    return error
