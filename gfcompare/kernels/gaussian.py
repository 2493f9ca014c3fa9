"""Pairs of ReLU neurons under a standard normal input: what one does where the other is active, exactly.

A neuron s(u.x + a) with s(z) = max(z, 0) is held by its norm s = |u|, its direction u / s, its bias a and
alpha = a / s. For two of them, with the correlation rho of u.x and v.x, sigma = sqrt(1 - rho^2),
z_1 = (beta - rho alpha) / sigma and z_2 = (alpha - rho beta) / sigma, everything is made of phi, Phi and

    P = E[1_u 1_v] = (pi - arccos rho) / (2 pi) + (Phi(alpha) - 1/2) / 2 + (Phi(beta) - 1/2) / 2
        + S(alpha, z_1) + S(beta, z_2),
    S(h, z) = 1 / (2 pi) times the integral of h (1 - exp(-(h^2 + t^2) / 2)) / (h^2 + t^2) over t in [0, z].

S is entire and odd in h and in z, so that the bivariate normal distribution needs no distinction of cases
(it is Owen's T without its jumps: D. B. Owen, doi:10.1214/aoms/1177728074). For each neuron S(alpha, .) is
made into polynomials on cells of width 1/2 once, and each pair then costs two polynomials for S, two for Phi.

Where |rho| is near 1, 1 - |rho| = |u/s -+ v/t|^2 / 2 and beta - rho alpha = (beta - alpha) + (1 - rho) alpha
lose no digits: the result is that of neurons that are the given ones to rounding.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev, legendre

from gfcompare.kernels.compiled import cold_leaf, leaf, leaf_sum

#: Cells of S and Phi: their number, on [0, CELLS / 2], and the coefficients of a polynomial on each.
CELLS, TERMS = 18, 13
#: Beyond this alpha = a / |u| a neuron is active, or inactive, everywhere: Phi(-40) = 1e-350.
SATURATED = 64.0

_HALF_PI_INVERSE = 1.0 / (2.0 * np.pi)
_DENSITY = 1.0 / np.sqrt(2.0 * np.pi)
_ROOT_HALF = math.sqrt(0.5)
# Below minus this alpha a neuron is inactive: Phi(-39) = 0.
_SILENT = 39.0
# Correlations from which on 1 - |rho| is taken from the difference of the directions.
_NEAR = 0.9
_TINY = 1e-300

# N neurons are held by `directions`, (N, r), unit vectors; `scalars`, (SCALARS, N), whose rows are |u|, a,
# alpha, phi, Phi - 1/2, a - |u| alpha, and 1 if |alpha| >= 9; and `owen`, (N, CELLS * TERMS): S(alpha, .).
NORM, BIAS, ALPHA, DENSITY, PHI, EXCESS, BEYOND = range(7)
SCALARS = 7
# Rows of the scratch memory of a row of pairs; results first.
P, Q, Q_BACK, MEAN, MEAN_BACK, CORRELATION, SIGMA, ANGLE, DEFECT, Z, Z_BACK = range(11)
PAIRS = 11


class Tables(NamedTuple):
    """Polynomials on cells of width 1/2, in local coordinates from -1 to 1."""

    owen: np.ndarray  # (CELLS, TERMS, CELLS * TERMS): S by cell of h, power of h, then cell and power of z
    normal: np.ndarray  # (CELLS, TERMS): Phi - 1/2


@cache
def tables():
    """Return the tables, which are computed once, in some ten milliseconds."""
    nodes = np.cos(np.pi * (np.arange(TERMS) + 0.5) / TERMS)
    to_powers = np.zeros((TERMS, TERMS))
    for j in range(TERMS):
        powers = chebyshev.cheb2poly(np.eye(TERMS)[j])
        to_powers[: len(powers), j] = powers
    # Not one matrix: powers have coefficients of 1e3, which may meet only what is small already.
    to_chebyshev = np.linalg.inv(chebyshev.chebvander(nodes, TERMS - 1))
    places = 0.5 * (np.arange(CELLS)[:, None] + 0.5 + 0.5 * nodes)  # (cells, nodes)
    values = _owen_values(places.ravel(), nodes).reshape(CELLS, TERMS, CELLS, TERMS)
    both = np.einsum("pa,qz,cabz->cpbq", to_chebyshev, to_chebyshev, values, optimize=True)
    owen = np.einsum("pa,qz,cabz->cpbq", to_powers, to_powers, both, optimize=True)
    erf = np.vectorize(math.erf)
    normal = 0.5 * erf(places * _ROOT_HALF) @ to_chebyshev.T @ to_powers.T
    return Tables(np.ascontiguousarray(owen.reshape(CELLS, TERMS, CELLS * TERMS)), normal)


def _owen_values(h, nodes):
    """Return S at h, (n,), and at the Chebyshev nodes of every cell of z, shape (n, CELLS, TERMS).

    On each cell the integrand is expanded in 20 Legendre polynomials, and these are integrated.
    """
    count = 20
    x, weights = legendre.leggauss(count)
    t = 0.5 * (np.arange(CELLS)[:, None] + 0.5 + 0.5 * x)
    squares = h[:, None, None] ** 2 + t**2
    integrand = h[:, None, None] * -np.expm1(-0.5 * squares) / squares
    expansion = legendre.legvander(x, count - 1) * (np.arange(count) + 0.5)
    coefficients = (integrand * weights) @ expansion
    antiderivatives = legendre.legint(np.eye(count), lbnd=-1, axis=1)
    ends = legendre.legval(np.append(nodes, 1.0), antiderivatives.T)  # (count, nodes + 1)
    pieces = 0.25 * _HALF_PI_INVERSE * coefficients @ ends
    start = np.cumsum(pieces[..., -1], axis=1) - pieces[..., -1]
    return start[..., None] + pieces[..., :-1]


@leaf_sum
def dot(first, second):
    """Inner product."""
    total = 0.0
    for j in range(first.shape[0]):
        total += first[j] * second[j]
    return total


@leaf_sum
def _square_distance(first, second, sign):
    total = 0.0
    for j in range(first.shape[0]):
        difference = first[j] - sign * second[j]
        total += difference * difference
    return total


@cold_leaf
def unit_vector(vector):
    """Divide a vector by its norm, in place, and return that; without overflow, a zero vector stays."""
    largest = 0.0
    for j in range(vector.shape[0]):
        largest = max(largest, abs(vector[j]))
    if largest == 0.0:
        return 0.0
    if 1e-140 < largest < 1e140:
        norm = np.sqrt(dot(vector, vector))
        share = 1.0 / norm
        for j in range(vector.shape[0]):
            vector[j] *= share
        return norm
    for j in range(vector.shape[0]):
        vector[j] /= largest
    norm = np.sqrt(dot(vector, vector))
    for j in range(vector.shape[0]):
        vector[j] /= norm
    return largest * norm


@cold_leaf
def set_neuron(directions, scalars, i):
    """Set all that follows of neuron i from its direction, which is a vector of any length yet, and its bias.

    A neuron without a direction is a constant; s'(0) = 0, so that for a bias 0 it is inactive.
    """
    norm = unit_vector(directions[i])
    bias = scalars[BIAS, i]
    alpha = bias / norm if norm > 0.0 else (SATURATED if bias > 0.0 else -SATURATED)
    excess = 0.0
    if alpha > SATURATED or alpha < -SATURATED or norm == 0.0:
        alpha = SATURATED if alpha > 0.0 else -SATURATED
        excess = bias - norm * alpha
    scalars[NORM, i] = norm
    scalars[ALPHA, i] = alpha
    scalars[DENSITY, i] = _DENSITY * math.exp(-0.5 * alpha * alpha)
    scalars[PHI, i] = 0.5 * math.erf(_ROOT_HALF * alpha)
    scalars[EXCESS, i] = excess
    scalars[BEYOND, i] = 1.0


@cold_leaf
def set_owen(table, scalars, owen, i):
    """Set S(alpha, .) of neuron i, which pairs with biases need."""
    alpha = scalars[ALPHA, i]
    place = 2.0 * abs(alpha)
    if place < CELLS:
        cell = int(place)
        scalars[BEYOND, i] = 0.0
        _contract(table[cell], 2.0 * (place - cell) - 1.0, 1.0 if alpha >= 0.0 else -1.0, owen[i])


@cold_leaf
def _contract(c, x, sign, row):
    """Write polynomials in h, at x of their cell, times a sign: S(h, .) on the cells of z."""
    for j in range(row.shape[0]):  # one expression, so that all but `c` stays in registers
        value = (((c[12, j] * x + c[11, j]) * x + c[10, j]) * x + c[9, j]) * x + c[8, j]
        value = (((value * x + c[7, j]) * x + c[6, j]) * x + c[5, j]) * x + c[4, j]
        row[j] = sign * ((((value * x + c[3, j]) * x + c[2, j]) * x + c[1, j]) * x + c[0, j])


@leaf
def _polynomial(c, first, x):
    """Value of a polynomial with coefficients c[first], ..., in even and odd parts."""
    y = x * x
    even = c[first + 12] * y + c[first + 10]
    odd = c[first + 11] * y + c[first + 9]
    even = even * y + c[first + 8]
    odd = odd * y + c[first + 7]
    even = even * y + c[first + 6]
    odd = odd * y + c[first + 5]
    even = even * y + c[first + 4]
    odd = odd * y + c[first + 3]
    even = even * y + c[first + 2]
    odd = odd * y + c[first + 1]
    return even * y + c[first] + odd * x


@leaf
def _owen_and_normal(normal, owen, beyond, h, phi, z):
    """Return S(h, z) and Phi(z) - 1/2; `phi` is Phi(h) - 1/2, `owen` holds S(h, .)."""
    size = abs(z)
    place = 2.0 * size
    if place < CELLS:
        cell = int(place)
        local = 2.0 * (place - cell) - 1.0
        mass = _polynomial(normal[cell], 0, local)
        if beyond == 0.0:
            share = _polynomial(owen, cell * TERMS, local)
        else:
            share = _HALF_PI_INVERSE * math.copysign(math.atan(size / abs(h)), h)
    else:  # S without the integral beyond z, which is that of 1 / (h^2 + t^2) there
        mass = 0.5
        share = 0.5 * phi - _HALF_PI_INVERSE * math.atan(h / size)
    if z < 0.0:
        return -share, -mass
    return share, mass


@leaf
def _arc(defect, rho):
    """Return arccos |rho| for 1 - |rho| = defect; asin on [0, 1/2] as in fdlibm (Sun Microsystems)."""
    wide = defect > 0.5
    square = rho * rho if wide else 0.5 * defect
    x = abs(rho) if wide else np.sqrt(0.5 * defect)
    upper = 7.91534994289814532176e-04 + square * 3.47933107596021167570e-05
    upper = 2.01212532134862925881e-01 + square * (-4.00555345006794114027e-02 + square * upper)
    upper = square * (1.66666666666666657415e-01 + square * (-3.25565818622400915405e-01 + square * upper))
    lower = -6.88283971605453293030e-01 + square * 7.70381505559019352791e-02
    lower = 1.0 + square * (
        -2.40339491173441421878e00 + square * (2.02094576023350569471e00 + square * lower)
    )
    arc = x + x * (upper / lower)
    return 0.5 * np.pi - arc if wide else 2.0 * arc


@cold_leaf
def correlate(directions, i, first, last, pairs):
    """Write correlations of neuron i with first, ..., last - 1, and 1 - |rho|, without loss near 0."""
    own = directions[i]
    for k in range(first, last):
        rho = dot(own, directions[k])
        pairs[CORRELATION, k] = rho
        pairs[DEFECT, k] = 1.0 - abs(rho)
    for k in range(first, last):
        if pairs[DEFECT, k] < 1.0 - _NEAR:
            sign = 1.0 if pairs[CORRELATION, k] > 0.0 else -1.0
            defect = 0.5 * _square_distance(own, directions[k], sign)
            pairs[DEFECT, k] = defect
            pairs[CORRELATION, k] = sign * (1.0 - defect)
    rhos, defects, sigmas, angles = pairs[CORRELATION], pairs[DEFECT], pairs[SIGMA], pairs[ANGLE]
    for k in range(first, last):
        rho, defect = rhos[k], defects[k]
        arc = _arc(defect, rho)
        angles[k] = np.pi - arc if rho < 0.0 else arc
        sigmas[k] = np.sqrt(defect * (2.0 - defect))


@cold_leaf
def pairs_without_biases(scalars, i, first, last, pairs):
    """As `pairs_with_biases` for biases and alpha 0: arc-cosine kernels (Y. Cho, L. K. Saul, NIPS 2009)."""
    rhos, sigmas, angles, norms = pairs[CORRELATION], pairs[SIGMA], pairs[ANGLE], scalars[NORM]
    p, q, q_back, mean, mean_back = pairs[P], pairs[Q], pairs[Q_BACK], pairs[MEAN], pairs[MEAN_BACK]
    s = norms[i]
    for k in range(first, last):
        t = norms[k]
        p[k] = 0.5 - _HALF_PI_INVERSE * angles[k]
        share = _HALF_PI_INVERSE * sigmas[k]
        q[k] = t * share
        q_back[k] = s * share
        half = 0.5 * _DENSITY * (1.0 + rhos[k])
        mean[k] = t * half
        mean_back[k] = s * half


@cold_leaf
def pairs_with_biases(normal, scalars, owen, i, first, last, pairs):
    """Evaluate the pairs of neuron i, (u, a), with neurons (v, b) = first, ..., last - 1, in place.

    After `correlate`, row by row of `pairs`:

    - P: P = E[1_u 1_v];
    - Q, Q_BACK: q with E[1_u x s_v] = v P + q u / |u|, and that with u and v exchanged;
    - MEAN, MEAN_BACK: E[1_u s_v] and E[1_v s_u];
    - Z, Z_BACK: z_1 and z_2.
    """
    rhos, defects, sigmas, angles = pairs[CORRELATION], pairs[DEFECT], pairs[SIGMA], pairs[ANGLE]
    z, z_back = pairs[Z], pairs[Z_BACK]
    alphas = scalars[ALPHA]
    alpha = alphas[i]
    for k in range(first, last):
        beta, rho, defect = alphas[k], rhos[k], defects[k]
        sign = 1.0 if rho > 0.0 else -1.0
        near = defect < 1.0 - _NEAR
        scale = 1.0 / max(sigmas[k], _TINY)
        above = (beta - sign * alpha) + sign * defect * alpha if near else beta - rho * alpha
        below = (alpha - sign * beta) + sign * defect * beta if near else alpha - rho * beta
        pairs[Q, k] = above
        pairs[Q_BACK, k] = below
        z[k] = above * scale
        z_back[k] = below * scale
    s, a, density, phi = scalars[NORM, i], scalars[BIAS, i], scalars[DENSITY, i], scalars[PHI, i]
    excess, beyond = scalars[EXCESS, i], scalars[BEYOND, i]
    for k in range(first, last):
        z_1, z_2 = z[k], z_back[k]
        share, mass = _owen_and_normal(normal, owen[i], beyond, alpha, phi, z_1)
        share_back, mass_back = _owen_and_normal(
            normal, owen[k], scalars[BEYOND, k], alphas[k], scalars[PHI, k], z_2
        )
        p = (0.5 - _HALF_PI_INVERSE * angles[k]) + 0.5 * (phi + scalars[PHI, k]) + share + share_back
        p = max(p, 0.0) if min(alpha, alphas[k]) > -_SILENT else 0.0
        t, b, rho = scalars[NORM, k], scalars[BIAS, k], rhos[k]
        active, active_back = density * (0.5 + mass), scalars[DENSITY, k] * (0.5 + mass_back)
        both = _HALF_PI_INVERSE * sigmas[k] * math.exp(-0.5 * (alpha * alpha + z_1 * z_1))
        pairs[P, k] = p
        pairs[MEAN, k] = b * p + t * (active_back + rho * active)
        pairs[MEAN_BACK, k] = a * p + s * (active + rho * active_back)
        pairs[Q, k] = (t * pairs[Q, k] + scalars[EXCESS, k]) * active + t * both
        pairs[Q_BACK, k] = (s * pairs[Q_BACK, k] + excess) * active_back + s * both


@leaf
def product_mean(scalars, i, k, pairs):
    """Return E[s_u s_v] of a pair that has been evaluated."""
    s, t = scalars[NORM, i], scalars[NORM, k]
    return s * t * pairs[CORRELATION, k] * pairs[P, k] + s * pairs[Q, k] + scalars[BIAS, i] * pairs[MEAN, k]


@leaf
def mean_of(scalars, i):
    """Return E[s_u]."""
    return scalars[BIAS, i] * (0.5 + scalars[PHI, i]) + scalars[NORM, i] * scalars[DENSITY, i]


@leaf
def square_mean(scalars, i):
    """Return E[s_u^2]."""
    s = scalars[NORM, i]
    return s * s * (0.5 + scalars[PHI, i]) + scalars[BIAS, i] * mean_of(scalars, i)
