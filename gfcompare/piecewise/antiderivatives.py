"""Target and density on an interval or on lines through a box, as the arrays that the kernels walk over."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from gfcompare.kernels.line import Integrals, LineData, Values
from gfcompare.kernels.line_set import LineMoments, LineSet, Segments, SegmentValues
from gfcompare.piecewise.interval import PiecewisePolynomial, common_knots, middle_of
from gfcompare.piecewise.segments import Lines, SegmentwisePolynomial

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Largest distance from an end, for a line from -1 to 1, within which a neuron's integrals are taken from it.
NEAR = 0.5


def line_data(density: PiecewisePolynomial, target: PiecewisePolynomial) -> LineData:
    """Prepare a target (K components) and a density (mass per unit x, total 1) on one interval."""
    knots = common_knots(target, density)
    p, f = density.refined(knots), target.refined(knots)
    lower, upper = knots[0], knots[-1]
    middle, low = middle_of(lower, upper)
    half = 0.5 * upper - 0.5 * lower
    y_knots = ((knots - middle) - low) / half
    y_knots[0], y_knots[-1] = -1.0, 1.0
    centres, scales = ((f.centres - middle) - low) / half, half / f.half_widths
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
        middle=middle,
        middle_low=low,
        half=float(half),
        knots=y_knots,
        centres=np.ascontiguousarray(centres),
        scales=np.ascontiguousarray(scales),
        mass=mass,
        mass_total=mass_total,
        target=moments,
        target_total=np.ascontiguousarray(moments_total.reshape(-1, 2)),
        lower=float(lower),
        upper=float(upper),
        bound=float(f.bound()),
        near=min(NEAR, float(np.diff(y_knots)[[0, -1]].min())),
        rule=_rules(nodes, weights, p.degree),
        ends=_at_ends(
            half * p.high[:, 0], f.high, (np.array([0]), start[:1] + 1.0), (np.array([-1]), stop[-1:] - 1.0)
        )[0],
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


def _rules(nodes: Array, weights: Array, degree: int) -> Array:
    """Return the rows of a rule, and those of one that is exact for y^2 p, p of a degree, filled up by 0."""
    short = np.zeros((2, len(nodes)))
    count = degree // 2 + 2
    short[:, :count] = np.polynomial.legendre.leggauss(count)
    return np.concatenate([[nodes, weights], short])


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


def single_line(density: PiecewisePolynomial, target: PiecewisePolynomial) -> LineSet:
    """Prepare target and density on one interval, as a set of one line."""
    knots = common_knots(target, density)
    p, f = density.refined(knots), target.refined(knots)
    line = Lines(float(knots[0]), float(knots[-1]), 0, np.zeros((1, 1)))
    offsets = np.array([0, len(knots) - 1])
    bundles = [SegmentwisePolynomial(offsets, knots[:-1], knots[1:], part.high) for part in (f, p)]
    prepared = line_set(line, bundles[0], bundles[1], np.ones(1))
    return prepared._replace(values=prepared.values._replace(target_low=_descending(f.low)))


def line_set(
    lines: Lines, target: SegmentwisePolynomial, density: SegmentwisePolynomial, line_weights: Array
) -> LineSet:
    """Prepare a target and a density on lines for the kernels.

    Parameters
    ----------
    lines : the B lines
    target : on them, K components
    density : on them, one component, mass per unit of the coordinate
    line_weights : quadrature weight of each line, shape (B,)
    """
    f, p = target.refined(density), density.refined(target)
    middle, low = middle_of(lines.lower, lines.upper)
    half = 0.5 * lines.upper - 0.5 * lines.lower
    positions = lines.nodes.copy()
    positions[:, lines.coordinate] = 0.0
    knots = np.insert(((f.left - middle) - low) / half, f.offsets[1:], 1.0)
    knots[f.offsets[:-1] + np.arange(lines.count)] = -1.0
    degree = 2 * max(f.coefficients.shape[2] - 1, 1) + p.coefficients.shape[2] - 1
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    segments = Segments(
        coordinate=lines.coordinate,
        middle=middle,
        middle_low=low,
        half=half,
        lower=float(lines.lower),
        upper=float(lines.upper),
        weights=np.ascontiguousarray(line_weights),
        positions=np.ascontiguousarray(positions),
        offsets=f.offsets.astype(np.int64),
        knots=knots,
        centres=((f.centres - middle) - low) / half,
        scales=half / f.half_widths,
    )
    values = SegmentValues(
        density=_descending(p.coefficients[:, 0]),
        target=_descending(f.coefficients),
        target_low=np.zeros_like(f.coefficients),
        target_bound=float(np.abs(f.coefficients).sum(axis=2).max()),
        nodes=nodes,
        weights=weights,
    )
    return LineSet(segments, values)


def line_moments(lines: LineSet) -> LineMoments:
    """Return the antiderivatives that the gradient of one hidden layer needs, on every piece."""
    density = lines.segments.half * lines.values.density[:, ::-1]
    target = lines.values.target[:, :, ::-1]
    y = np.stack([lines.segments.centres, 1.0 / lines.segments.scales], axis=1)
    first = _product(density, y)
    mass = _stacked([density, first, _product(first, y)])
    products = []
    for k in range(target.shape[1]):
        weighted = _product(density, target[:, k])
        products += [weighted, _product(weighted, y)]
    segments, offsets = lines.segments, lines.segments.offsets
    starts: Integers = offsets[:-1]
    stops: Integers = offsets[1:] - 1
    beyond_left = (-1.0 - segments.centres[starts]) * segments.scales[starts] + 1.0
    beyond_right = (1.0 - segments.centres[stops]) * segments.scales[stops] - 1.0
    mass_antiderivatives, mass_total = _primitives(lines.segments, mass)
    target_antiderivatives, target_total = _primitives(lines.segments, _stacked(products))
    return LineMoments(
        mass=mass_antiderivatives,
        mass_total=mass_total,
        target=target_antiderivatives,
        target_total=np.ascontiguousarray(target_total.reshape(len(lines.segments.weights), -1, 2)),
        bound=lines.values.target_bound,
        near=min(NEAR, 2.0 / float(lines.segments.scales[np.append(offsets[:-1], offsets[1:] - 1)].max())),
        rule=np.stack([lines.values.nodes, lines.values.weights]),
        ends=_at_ends(density, target, (starts, beyond_left), (stops, beyond_right)),
    )


def _at_ends(
    density: Array, target: Array, left: tuple[Integers, Array], right: tuple[Integers, Array]
) -> Array:
    """Integrals over the distance a from either end of p, a p, a^2 p, f_k p and a f_k p, as means.

    Parameters
    ----------
    density, target : ascending coefficients in s, (n, .) and (n, K, .); p per unit y
    left, right : the pieces at the ends of each of B lines, and by how much s there exceeds -1 or 1, both
        (B,): not 0 where the centre of the piece is rounded

    Returns
    -------
    ndarray, shape (B, 2, 3 + 2 K, degree + 1)
        divided by a, a^2, a^3, a and a^2; coefficients descending in -s at the left, s at the right end
    """
    outputs, length = target.shape[1], density.shape[1] + target.shape[2] - 1
    result = np.zeros((len(left[1]), 2, 3 + 2 * outputs, length))
    for side, (pieces, beyond) in enumerate((left, right)):
        p = _moved(density[pieces], beyond)
        rows = [(p, 0), (p, 1), (p, 2)]
        for k in range(outputs):
            product = _product(p, _moved(target[pieces, k], beyond))
            rows += [(product, 0), (product, 1)]
        for r, (q, power) in enumerate(rows):
            signs = (-1.0) ** np.arange(q.shape[1]) if side == 0 else 1.0
            result[:, side, r, : q.shape[1]] = _means(q * signs, power)
    return _descending(result)


def _moved(coefficients: Array, by: Array) -> Array:
    """Return q(s + by), in each row with its own; ascending coefficients."""
    result = coefficients.copy()
    for low in range(result.shape[1] - 1):
        for d in range(result.shape[1] - 2, low - 1, -1):
            result[:, d] += by * result[:, d + 1]
    return result


def _means(coefficients: Array, power: int) -> Array:
    """Integrate a^power times polynomials in s over [0, A], a = 1 - s, and divide by A^(power + 1).

    Ascending coefficients, in the rows. For s^n that is power! n! / (n + power + 1)! times the sum over j
    from 0 to n of (j + power)! / (j! power!) s^j at s = 1 - A: nothing cancels, and nothing is expanded at
    the end.
    """
    degrees = np.arange(coefficients.shape[1])
    divisors = np.prod([degrees + m + 1 for m in range(power + 1)], axis=0)
    factors = np.prod([degrees + m + 1 for m in range(power)], axis=0) if power else np.ones(len(degrees))
    above = np.cumsum((coefficients / divisors)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(above * factors)


def _product(first: Array, second: Array) -> Array:
    """Return the products of polynomials, ascending coefficients in the rows."""
    result = np.zeros((len(first), first.shape[1] + second.shape[1] - 1))
    for d in range(second.shape[1]):
        result[:, d : d + first.shape[1]] += first * second[:, d : d + 1]
    return result


def _stacked(polynomials: list[Array]) -> Array:
    """Return polynomials (n, any length) as one array (n, R, longest)."""
    longest = max(q.shape[1] for q in polynomials)
    return np.stack([np.pad(q, ((0, 0), (0, longest - q.shape[1]))) for q in polynomials], axis=1)


def _primitives(segments: Segments, integrands: Array) -> tuple[Array, Array]:
    """Antiderivatives in y of polynomials in s, (n, R, degree + 1), 0 at the left end of each line.

    Returns descending coefficients, shape (n, R, degree + 2), and the values at the right ends, (B, R).
    """
    powers = np.arange(1, integrands.shape[2] + 1)
    primitive = np.zeros((*integrands.shape[:2], integrands.shape[2] + 1))
    primitive[:, :, 1:] = integrands / powers / segments.scales[:, None, None]
    signs = np.where(np.arange(primitive.shape[2]) % 2, -1.0, 1.0)
    at_start, at_stop = (primitive * signs).sum(axis=2), primitive.sum(axis=2)
    counts = np.diff(segments.offsets)
    reached = np.zeros((len(counts), integrands.shape[1]))
    # Piece by piece from the left, on all lines at once.
    for number in range(int(counts.max())):
        pieces = segments.offsets[:-1][counts > number] + number
        primitive[pieces, :, 0] = reached[counts > number] - at_start[pieces]
        reached[counts > number] += at_stop[pieces] - at_start[pieces]
    return _descending(primitive), reached
