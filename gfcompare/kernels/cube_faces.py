"""Polynomials on the faces of a cube, and their fluxes through chords and edges.

The notation is that of `cube`. On a face with the outward normal n the flux of r's polynomial part, and of
neurons with z > 0 there, is a polynomial of the coordinates y = (y_1, y_2) of the face: F for the integral of
1, and x F' - V for that of x, where V collects w s(z)^3 (w.n) / (6 |w|^4). With y q(y) / (m + 2) for
homogeneous q of degree m, its integral over a part of the face is one along what bounds the part. Five
polynomials are kept, terms of degree m divided so that this is done: F, F' (by m + 3: it is multiplied by y),
V_1, V_2, and x_n F' - V_n.

Powers are ordered by that of y_2, then that of y_1, up to a total degree of 3.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, leaf

# 1 / (m + 2) and 1 / (m + 3) for the degree m of each term.
_SHARES = np.array([[1.0 / (j + i + more) for j in range(4) for i in range(4 - j)] for more in (2, 3)])


@leaf
def _add_square(z, d, e, factor, target):
    """Add factor times (z + d y_1 + e y_2)^2."""
    fz, fd, fe = factor * z, factor * d, factor * e
    target[0] += fz * z
    target[1] += 2.0 * fz * d
    target[2] += fd * d
    target[4] += 2.0 * fz * e
    target[5] += 2.0 * fd * e
    target[7] += fe * e


@cold_leaf
def _add_active(z, d, e, flux, share, first, second, normal, polynomials):
    """Add a neuron that is active on all of the face: flux = v (w.n) / (2 |w|^2), share = 1 / (3 |w|^2)."""
    _add_square(z, d, e, flux, polynomials[0])
    _add_square(z, d, e, flux, polynomials[1])
    zz, zd, ze, dd, de, ee = z * z, z * d, z * e, d * d, d * e, e * e
    cubes = (
        zz * z,
        3.0 * zz * d,
        3.0 * z * dd,
        dd * d,
        3.0 * zz * e,
        6.0 * zd * e,
        3.0 * dd * e,
        3.0 * ze * e,
        3.0 * de * e,
        ee * e,
    )
    third = flux * share
    for j in range(10):
        cube = third * cubes[j]
        polynomials[2, j] += first * cube
        polynomials[3, j] += second * cube
        polynomials[4, j] += normal * cube


@leaf
def face_polynomials(data, count, factor, work):
    """Write the polynomials of all faces and outputs into `work.faces`."""
    crossing, neurons = work.crossing, work.rows.shape[1]
    for m in range(work.affine.shape[0]):
        a = work.affine[m]
        for face in range(6):
            axis = face >> 1
            b, c = (axis + 1) % 3, (axis + 2) % 3
            side = 1.0 if face & 1 else -1.0
            polynomials = work.faces[6 * m + face]
            for version in range(2):
                for j in range(10):
                    polynomials[version, j] = factor * data.faces[face, 2 * m + version, j]
                linear = factor / (4.0 + version)
                polynomials[version, 0] += factor * a[0] / (3.0 + version) + side * (linear * a[1 + axis])
                polynomials[version, 1] += linear * a[1 + b]
                polynomials[version, 4] += linear * a[1 + c]
            for j in range(10):
                polynomials[2, j], polynomials[3, j], polynomials[4, j] = 0.0, 0.0, 0.0
            for i in range(neurons):
                if work.kinds[0, i] != 1 or not _everywhere(work.kinds[2, i], face):
                    continue
                k = work.kinds[1, i]
                normal, first, second = crossing[axis, k], crossing[b, k], crossing[c, k]
                flux = 3.0 * work.outgoing[m, k] * (side * normal)
                z = crossing[3, k] + side * normal
                share = (1.0 / 3.0) * crossing[4, k]
                _add_active(z, first, second, flux, share, first, second, normal, polynomials)
            _divide(polynomials, side)


@leaf
def _everywhere(signs, face):
    """Return whether z > 0 at the four corners of a face."""
    axis = face >> 1
    ends = 0
    for j in range(8):
        if (j >> axis) & 1 == face & 1:
            ends |= 1 << j
    return signs & ends == ends


@cold_leaf
def _divide(polynomials, side):
    """Divide terms of degree m by m + 2 or m + 3."""
    for j in range(10):
        share, less = _SHARES[0, j], _SHARES[1, j]
        polynomials[0, j] *= share
        polynomials[2, j] *= share
        polynomials[3, j] *= share
        polynomials[4, j] = share * (side * polynomials[1, j] - polynomials[4, j])
        polynomials[1, j] *= less


@leaf
def _at(c, x, y):
    """Return a polynomial of degree 3."""
    top = c[9] * y + (c[8] * x + c[7])
    middle = (c[6] * x + c[5]) * x + c[4]
    return (top * y + middle) * y + (((c[3] * x + c[2]) * x + c[1]) * x + c[0])


@cold_leaf
def chord_polynomial(polynomials, x, y, dx, dy):
    """Return the fluxes through the chord from (x, y) to (x + dx, y + dy): of 1, x_1, x_2, x_n.

    By Gauss-Legendre quadrature with three nodes, exact to degree 5.
    """
    one, first, second, normal = 0.0, 0.0, 0.0, 0.0
    for n in range(3):
        t = 0.5 + (n - 1.0) * 0.3872983346207417
        weight = 0.4444444444444444 if n == 1 else 0.2777777777777778
        u, v = x + t * dx, y + t * dy
        one += weight * _at(polynomials[0], u, v)
        both = _at(polynomials[1], u, v)
        first += weight * (u * both - _at(polynomials[2], u, v))
        second += weight * (v * both - _at(polynomials[3], u, v))
        normal += weight * _at(polynomials[4], u, v)
    distance = x * dy - y * dx
    return distance * one, distance * first, distance * second, distance * normal


@leaf
def along_first(c, side):
    """Return a polynomial on the edge y_2 = side, ascending in y_1."""
    return c[0] + side * c[4] + c[7] + side * c[9], c[1] + side * c[5] + c[8], c[2] + side * c[6], c[3]


@leaf
def along_second(c, side):
    """Return a polynomial on the edge y_1 = side, ascending in y_2."""
    return c[0] + side * c[1] + c[2] + side * c[3], c[4] + side * c[5] + c[6], c[7] + side * c[8], c[9]
