"""The cells of an arrangement of planes in a box, cut out one plane after the other: an oracle in R^3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

Face = list[np.ndarray]


def _nearness(w: np.ndarray, b: float) -> float:
    return 4e-15 * float(np.abs(w).sum() + abs(b))


def box_faces(box: np.ndarray) -> list[Face]:
    """Return the six faces of a box, shape (3, 2), each as corners in turn."""
    faces = []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        for end in range(2):
            face = []
            for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)):
                corner = np.empty(3)
                corner[axis], corner[b], corner[c] = box[axis][end], box[b][i], box[c][j]
                face.append(corner)
            faces.append(face)
    return faces


def cut(faces: list[Face], w: np.ndarray, b: float) -> list[Face]:
    """Return the part of a convex polytope where w.x + b >= 0, given and returned by its faces.

    What is nearer to the plane than rounding is on it.
    """
    near = _nearness(w, b)
    result, opening = [], []
    for face in faces:
        kept: Face = []
        for p, q in zip(face, [*face[1:], face[0]], strict=True):
            before, after = (z if abs(z) > near else 0.0 for z in (w @ p + b, w @ q + b))
            if before >= 0:
                kept.append(p)
                if before == 0:
                    opening.append(p)
            if before * after < 0:
                point = p + before / (before - after) * (q - p)
                kept.append(point)
                opening.append(point)
        if len(kept) > 2:
            result.append(kept)
    if len(opening) > 2:  # the new face: its corners, in turn around their mean
        middle = np.mean(opening, axis=0)
        n = w / np.linalg.norm(w)
        first = np.cross(n, np.eye(3)[np.argmin(abs(n))])
        second = np.cross(n, first)
        turn = [np.arctan2((p - middle) @ second, (p - middle) @ first) for p in opening]
        result.append([opening[i] for i in np.argsort(turn)])
    return result


def cells(box: np.ndarray, rows: Sequence[tuple[np.ndarray, float]]) -> list[list[Face]]:
    """Return the cells into which the planes w.x + b = 0 divide a box."""
    found = [box_faces(box)]
    for w, b in rows:
        parts = []
        for cell in found:
            z = np.concatenate([np.array(face) @ w + b for face in cell])
            whole = z.min() >= -_nearness(w, b) or z.max() <= _nearness(w, b)
            parts += [cell] if whole else [cut(cell, side * w, side * b) for side in (1.0, -1.0)]
        found = [part for part in parts if len(part) > 3]
    return found


def tetrahedra(
    box: np.ndarray, rows: Sequence[tuple[np.ndarray, float]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield a point inside each cell, and the corners of the tetrahedra that it consists of, (n, 4, 3)."""
    for cell in cells(box, rows):
        inside = np.mean([p for face in cell for p in face], axis=0)
        yield inside, np.array([[inside, face[0], p, q] for face in cell for p, q in pairwise(face[1:])])


def cell_points(box: np.ndarray, rows: Sequence[tuple[np.ndarray, float]], degree: int = 7):
    """Yield nodes, weights of mass 1 in all, and a point inside, of each cell; exact to the degree."""
    s, u = np.polynomial.legendre.leggauss(degree // 2 + 2)
    s, u = 0.5 * (s + 1.0), 0.5 * u
    first, second, third = (g.ravel() for g in np.meshgrid(s, s, s, indexing="ij"))
    weights = np.einsum("i,j,k->ijk", u, u, u).ravel() * first**2 * second
    # A cube collapsed to a tetrahedron.
    shares = np.column_stack(
        [1 - first, first * (1 - second), first * second * (1 - third), first * second * third]
    )
    volume = np.prod(np.ptp(box, axis=1))
    for inside, corners in tetrahedra(np.asarray(box, dtype=float), rows):
        edges = corners[:, 1:] - corners[:, :1]
        size = np.abs(np.einsum("ni,ni->n", edges[:, 0], np.cross(edges[:, 1], edges[:, 2]))) / volume
        yield (shares @ corners).reshape(-1, 3), np.outer(size, weights).ravel(), inside


def cell_risk_and_gradient(
    box: np.ndarray, target: Callable, theta: np.ndarray, widths: Sequence[int], kinks=()
) -> tuple[float, np.ndarray]:
    """Return risk and gradient of a 3-H-K network under the uniform measure on a box.

    The planes are those of the neurons, and `kinks` of the target: on each cell everything is smooth.
    """
    hidden, outputs = widths[1], widths[2]
    w, b = theta[: 3 * hidden].reshape(hidden, 3), theta[3 * hidden : 4 * hidden]
    v, c = theta[4 * hidden : -outputs].reshape(outputs, hidden), theta[-outputs:]
    planes = [*zip(w, b, strict=True), *kinks]
    risk, parts = 0.0, [np.zeros_like(w), np.zeros_like(b), np.zeros_like(v), np.zeros_like(c)]
    for x, mass, inside in cell_points(box, planes):
        active = (w @ inside + b > 0).astype(float)
        z = (x @ w.T + b) * active
        residual = z @ v.T + c - target(x)
        weighted = mass[:, None] * residual
        risk += float((residual * weighted).sum())
        back = weighted @ v * active
        for part, term in zip(parts, (back.T @ x, back.sum(0), weighted.T @ z, weighted.sum(0)), strict=True):
            part += 2.0 * term
    return risk, np.concatenate([part.ravel() for part in parts])


def _on_faces(
    box: np.ndarray, faces: list[Face], w: np.ndarray, b: float, nodes: int = 6
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield nodes and weights, whose sum is the area, on the inner faces in the plane w.x + b = 0."""
    s, u = np.polynomial.legendre.leggauss(nodes)
    s, u = 0.5 * (s + 1.0), 0.5 * u
    first, second = (g.ravel() for g in np.meshgrid(s, s, indexing="ij"))
    weights = np.outer(u, u).ravel() * first  # a square collapsed to a triangle
    shares = np.column_stack([1 - first, first * (1 - second), first * second])
    for face in faces:
        corners = np.array(face)
        outer = (np.abs(corners[:, :, None] - box).max(axis=0) <= 1e-13 * np.ptp(box, axis=1)[:, None]).any()
        if not outer and np.abs(corners @ w + b).max() <= 3 * _nearness(w, b):
            for p, q in pairwise(face[1:]):
                area = np.linalg.norm(np.cross(p - face[0], q - face[0]))
                yield shares @ np.array([face[0], p, q]), area * weights


def cell_hessian(
    box: np.ndarray, target: Callable, theta: np.ndarray, widths: Sequence[int], kinks=()
) -> np.ndarray:
    """Return the Hessian of the risk of a 3-H-K network under the uniform measure on a box.

    On each cell of the arrangement by Gauss quadrature; at the kinks on those of its faces that lie in the
    plane of a neuron and not on the box, from the side on which it is active.
    """
    hidden, outputs = widths[1], widths[2]
    w, b = theta[: 3 * hidden].reshape(hidden, 3), theta[3 * hidden : 4 * hidden]
    v, c = theta[4 * hidden : -outputs].reshape(outputs, hidden), theta[-outputs:]
    planes = [*zip(w, b, strict=True), *kinks]
    box = np.asarray(box, dtype=float)
    volume = np.prod(np.ptp(box, axis=1))
    result = np.zeros((theta.size, theta.size))
    place = np.arange(theta.size)
    rows = np.column_stack([place[: 3 * hidden].reshape(hidden, 3), place[3 * hidden : 4 * hidden]])
    columns, ends = place[4 * hidden : -outputs].reshape(outputs, hidden), place[-outputs:]
    for x, mass, inside in cell_points(box, planes):
        active = (w @ inside + b > 0).astype(float)
        z, one = (x @ w.T + b) * active, np.column_stack([x, np.ones(len(x))])
        residual = z @ v.T + c - target(x)
        for m in range(outputs):
            jacobian = np.zeros((len(x), theta.size))
            for i in range(hidden):
                jacobian[:, rows[i]] = v[m, i] * active[i] * one
                second = 2.0 * active[i] * (mass * residual[:, m]) @ one
                result[rows[i], columns[m, i]] += second
                result[columns[m, i], rows[i]] += second
            jacobian[:, columns[m]], jacobian[:, ends[m]] = z, 1.0
            result += 2.0 * jacobian.T @ (mass[:, None] * jacobian)
    for cell in cells(box, planes):
        inside = np.mean([p for face in cell for p in face], axis=0)
        active = (w @ inside + b > 0).astype(float)
        for i in np.flatnonzero(active):
            for x, area in _on_faces(box, cell, w[i], b[i]):
                one = np.column_stack([x, np.ones(len(x))])
                residual = ((x @ w.T + b) * active) @ v.T + c - target(x)
                weights = 2.0 * (area * (residual @ v[:, i])) / (volume * np.linalg.norm(w[i]))
                result[np.ix_(rows[i], rows[i])] += one.T @ (weights[:, None] * one)
    return result
