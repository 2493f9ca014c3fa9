"""Target and density on an interval, turned into the arrays that the line kernels walk over."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from gfcompare.kernels.line import Integrals, LineData, Values
from gfcompare.piecewise import PiecewisePolynomial, common_knots

Array = NDArray[np.float64]


def line_data(density: PiecewisePolynomial, target: PiecewisePolynomial) -> LineData:
    """Prepare a target (K components) and a density (mass per unit x, total 1) on one interval."""
    knots = common_knots(target, density)
    p, f = density.refined(knots), target.refined(knots)
    lower, upper = knots[0], knots[-1]
    middle, half = 0.5 * lower + 0.5 * upper, 0.5 * upper - 0.5 * lower
    y_knots = (knots - middle) / half
    y_knots[0], y_knots[-1] = -1.0, 1.0
    centres, scales = (f.centres - middle) / half, half / f.half_widths
    start = (y_knots[:-1] - centres) * scales
    stop = (y_knots[1:] - centres) * scales

    per_y = [half * row[0] for row in p.high]
    positions = [np.array([c, 1.0 / s]) for c, s in zip(centres, scales, strict=True)]
    integrands = [
        [weight, np.convolve(weight, y), np.convolve(np.convolve(weight, y), y)]
        for weight, y in zip(per_y, positions, strict=True)
    ]
    mass, mass_total = _antiderivatives(integrands, scales, start, stop)
    products = [
        [q for row in rows for q in (np.convolve(weight, row), np.convolve(np.convolve(weight, row), y))]
        for weight, y, rows in zip(per_y, positions, f.high, strict=True)
    ]
    moments, moments_total = _antiderivatives(products, scales, start, stop)
    # Degree of |r|^2 p on a piece, where the network is affine.
    degree = 2 * max(f.degree, 1) + p.degree
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    integrals = Integrals(
        middle=float(middle),
        half=float(half),
        knots=y_knots,
        centres=np.ascontiguousarray(centres),
        scales=np.ascontiguousarray(scales),
        mass=mass,
        mass_total=mass_total,
        target=moments,
        target_total=np.ascontiguousarray(moments_total.reshape(-1, 2)),
    )
    values = Values(
        x_centres=f.centres,
        x_half_widths=f.half_widths,
        density=_descending(p.high[:, 0]),
        value_high=_descending(f.high),
        value_low=_descending(f.low),
        value_bound=f.bound(),
        nodes=nodes,
        weights=weights,
    )
    return LineData(integrals, values)


def _antiderivatives(
    integrands: list[list[Array]], scales: Array, start: Array, stop: Array
) -> tuple[Array, Array]:
    """Antiderivatives in y of polynomials in s, continuous across pieces, 0 at the left end.

    Returns descending coefficients of shape (n, R, degree + 1) and the values at the right end, (R,).
    """
    rows = len(integrands[0])
    length = 1 + max(len(q) for piece in integrands for q in piece)
    result = np.zeros((len(integrands), rows, length))
    # Extended precision where the machine has it: the constants add up over thousands of pieces.
    reached = np.zeros(rows, dtype=np.longdouble)
    for j, piece in enumerate(integrands):
        for r, integrand in enumerate(piece):
            primitive = polynomial.polyint(integrand) / scales[j]
            at_start = polynomial.polyval(np.longdouble(start[j]), primitive)
            at_stop = polynomial.polyval(np.longdouble(stop[j]), primitive)
            primitive[0] += float(reached[r] - at_start)
            reached[r] += at_stop - at_start
            result[j, r, : primitive.size] = primitive
    return _descending(result), reached.astype(np.float64)


def _descending(coefficients: Array) -> Array:
    return np.ascontiguousarray(coefficients[..., ::-1])
