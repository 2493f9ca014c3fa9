"""Flows near an equilibrium, of networks with one hidden layer: to any flow time, however long.

Once all motion that is left is below the tolerance, the flow of the linearised equation is the solution, in
closed form. What is left is told from rounding mode by mode: a slow mode in which the gradient is small but
known goes on, however much larger rounding errors in the stiff modes are; the errors are measured, by
evaluating the gradient at states that differ by rounding (J. J. More, S. M. Wild, "Estimating computational
noise", doi:10.1137/100786125).

Both flows are gradient flows in coordinates z of their own, so that their Jacobian is symmetric: the free
parameters for the standard flow; on M, where a hidden row lies on the sphere S^d, the normal coordinates of
each row, d of them, and then the output layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.evaluators.frozen import conserved_neurons
from gfcompare.measures import Gaussian, Measure
from gfcompare.network import ReLUNetwork
from gfcompare.system import threads

Array = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
# States near by, and standard errors that a component of the gradient has to exceed. They are several hundred
# roundings away: rounding errors at the very next numbers are much the same, and would pass for a gradient.
# They are opposite in pairs: what the way there changes of the gradient has no part in the mean.
_PAIRS, _NEARBY, _SIGNIFICANT = 4, 512.0, 4.0
#: The most parameters for which all eigenvalues are computed.
LARGEST_DENSE = 800


class Derivatives(Protocol):
    """A problem with an exact Hessian; `CountedProblem` counts what is evaluated."""

    @property
    def network(self) -> ReLUNetwork:
        """The architecture."""

    @property
    def measure(self) -> Measure:
        """The input measure."""

    @property
    def frozen(self) -> Sequence[str]:
        """The groups of parameters that stay where they are."""

    def risk(self, theta: Array) -> Array:
        """Return the risk, shape (...)."""

    def gradient(self, theta: Array) -> Array:
        """Return the gradient, shape (..., P)."""

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian, shape (..., P, P)."""


class Coordinates(Protocol):
    """Coordinates z around a state, which has z = 0, in which a flow is the gradient flow of the risk."""

    def theta(self, z: Array) -> Array:
        """Return theta, shape (..., P), at z, shape (..., n)."""

    def of_sizes(self, sizes: Array) -> Array:
        """Return the size of each component of z from that of each parameter, shape (P,)."""

    def of_parameters(self, values: Array) -> Array:
        """Return what belongs to each parameter, (P,), from what belongs to z; 0 for others, and for rows."""

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of the risk with respect to z, at a theta that is some roundings away."""

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian of the risk with respect to z, at a theta that is some roundings away."""


class FreeParameters:
    """Differences of the parameters that are not frozen: the standard flow.

    Parameters
    ----------
    problem : with an exact Hessian
    theta : shape (P,)
    """

    def __init__(self, problem: Derivatives, theta: Array) -> None:
        self._problem, self._theta = problem, theta
        self._free = ~problem.network.members(problem.frozen)

    def theta(self, z: Array) -> Array:
        """Return theta, shape (..., P), at z, shape (..., n)."""
        result = np.tile(self._theta, (*z.shape[:-1], 1))
        result[..., self._free] += z
        return result

    def of_sizes(self, sizes: Array) -> Array:
        """Return those of the free parameters."""
        return np.asarray(sizes[self._free])

    def of_parameters(self, values: Array) -> Array:
        """Return 0 for frozen parameters."""
        result = np.zeros_like(self._theta)
        result[self._free] = values
        return result

    def gradient(self, theta: Array) -> Array:
        """Return G."""
        return np.asarray(self._problem.gradient(theta)[self._free])

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian."""
        return np.asarray(self._problem.hessian(theta)[np.ix_(self._free, self._free)])


class RowsOnSpheres:
    """Riemannian normal coordinates of the rows, H d of them, then the output layer: the normalised flow.

    At z = 0 the metric of M is that of z up to O(|z|^2), so that gradient and Hessian there are the
    Riemannian ones (P.-A. Absil, R. Mahony, R. Sepulchre, "Optimization Algorithms on Matrix Manifolds",
    2008, section 5.5). For one input they are the differences of the rows' angles.

    Parameters
    ----------
    problem : with an exact Hessian
    theta : shape (P,), on M
    """

    def __init__(self, problem: Derivatives, theta: Array) -> None:
        self._problem, self._theta = problem, theta
        h, d = problem.network.hidden[0], problem.network.inputs
        self._places = np.concatenate([np.arange(h * d).reshape(h, d), h * d + np.arange(h)[:, None]], axis=1)
        self._rows, self._outputs = theta[self._places], theta[h * (d + 1) :]
        # The reflection that takes a row to the last axis takes the other axes to its tangent space.
        across = self._rows.copy()
        across[:, -1] += np.where(across[:, -1] >= 0.0, 1.0, -1.0)
        shares = across[:, :d] / (1.0 + np.abs(self._rows[:, -1:]))
        #: Tangent vectors of each row, shape (H, d + 1, d).
        self._tangents = np.eye(d + 1)[:, :d] - across[:, :, None] * shares[:, None, :]

    def theta(self, z: Array) -> Array:
        """Return the parameters on M, shape (..., P): rows go along great circles."""
        h, d = len(self._rows), self._rows.shape[1] - 1
        leading = z.shape[:-1]
        along = z[..., : h * d].reshape(*leading, h, d)
        moves = np.zeros((*leading, h, d + 1))
        for j in range(d):  # in one order, however many there are at once
            moves += self._tangents[:, :, j] * along[..., j, None]
        angles = np.linalg.norm(moves, axis=-1, keepdims=True)
        rows = np.cos(angles) * self._rows + np.sinc(angles / np.pi) * moves
        result = np.tile(self._theta, (*leading, 1))
        result[..., self._places], result[..., h * (d + 1) :] = rows, self._outputs + z[..., h * d :]
        return result

    def of_sizes(self, sizes: Array) -> Array:
        """Return the sizes: of a row, which has norm 1, the largest."""
        h, d = len(self._rows), self._rows.shape[1] - 1
        return np.concatenate([np.repeat(sizes[self._places].max(axis=1), d), sizes[h * (d + 1) :]])

    def of_parameters(self, values: Array) -> Array:
        """Return 0 for rows."""
        result = np.zeros_like(self._theta)
        result[self._rows.size :] = values[self._rows.size - len(self._rows) :]
        return result

    def _transported(self, rows: Array) -> Array:
        """Return the tangent vectors at rows near by, by parallel transport, shape (H, d + 1, d)."""
        along = np.einsum("hc,hcj->hj", rows, self._tangents)
        along /= 1.0 + np.einsum("hc,hc->h", rows, self._rows)[:, None]
        return np.asarray(self._tangents - (rows + self._rows)[:, :, None] * along[:, None, :])

    def gradient(self, theta: Array) -> Array:
        """Return the gradient: that of a row along its sphere."""
        gradient = self._problem.gradient(theta)
        along = np.einsum("hcj,hc->hj", self._transported(theta[self._places]), gradient[self._places])
        return np.concatenate([along.ravel(), gradient[self._rows.size :]])

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian: that on the tangent space, and what the spheres' curvature adds."""
        h, d = len(self._rows), self._rows.shape[1] - 1
        rows = theta[self._places]
        tangents = self._transported(rows)
        hessian, gradient = self._problem.hessian(theta), self._problem.gradient(theta)

        def along(matrix: Array) -> Array:
            """Take the rows of a matrix, (P, m), along the tangents, (n, m)."""
            tangential = np.einsum("hcj,hcm->hjm", tangents, matrix[self._places])
            return np.concatenate([tangential.reshape(h * d, -1), matrix[self._rows.size :]])

        result = along(along(hessian).T)
        radial = np.einsum("hc,hc->h", rows, gradient[self._places])
        places = np.arange(h * d)
        result[places, places] -= np.repeat(radial, d)
        return 0.5 * (result + result.T)


def coordinates_at(problem: Derivatives, theta: Array, normalized: bool) -> Coordinates:
    """Return the coordinates of a flow around theta, shape (P,)."""
    return RowsOnSpheres(problem, theta) if normalized else FreeParameters(problem, theta)


def hessian_along(problem: Derivatives, theta: Array, normalized: bool) -> Array:
    """Return the Hessian at theta, shape (P,), in the coordinates of a flow, shape (n, n)."""
    return coordinates_at(problem, theta, normalized).hessian(theta)


class Linearized:
    """The linearised flow from a state: the modes of the Hessian, and how fast each moves.

    Parameters
    ----------
    problem : with an exact Hessian
    theta : shape (P,), for the normalised flow on M
    normalized : the normalised flow

    Attributes
    ----------
    spectrum : ndarray, shape (n,), eigenvalues of the Hessian in the flow's own coordinates z
    speeds : ndarray, shape (n,), component of the gradient in each mode; 0 where it is not known from 0
    noise : ndarray, shape (n,), standard error of that component where it is not, otherwise 0
    """

    @threads.single_thread_of_linear_algebra()
    def __init__(self, problem: Derivatives, theta: Array, normalized: bool) -> None:
        self._coordinates = coordinates_at(problem, theta, normalized)
        hessian = self._coordinates.hessian(theta)
        self.spectrum, self._modes = np.linalg.eigh(hessian)
        self._squared_modes = self._modes**2
        gradients, hessians = self._nearby(problem, theta, normalized)
        components = gradients @ self._modes
        noise = components.std(axis=0, ddof=1) / np.sqrt(len(components))
        # So much at least is rounding, also where parameters are 0 and do not move at states near by.
        with np.errstate(over="ignore", invalid="ignore"):
            scale = np.sqrt(2.0 * float(problem.risk(theta)))
            sizes = self._coordinates.of_parameters(np.sqrt(np.abs(np.diagonal(hessian))))
            sizes = self._coordinates.of_sizes(_function_derivatives(problem, theta, sizes))
            modal_derivatives = np.sqrt(self._modes.T**2 @ sizes**2)
            noise = np.maximum(
                noise, _EPSILON * scale * np.minimum(modal_derivatives, np.sqrt(np.abs(self.spectrum)))
            )
        known = np.abs(components.mean(axis=0)) > _SIGNIFICANT * noise
        self.speeds, self.noise = np.where(known, components[0], 0.0), np.where(known, 0.0, noise)
        # Eigenvalues are known up to this, shape (n,).
        changes = [np.abs(((h - hessian) @ self._modes * self._modes).sum(axis=0)) for h in hessians]
        largest = float(np.abs(self.spectrum).max(initial=0.0))
        self._unknown_rate = _SIGNIFICANT * (len(hessian) * _EPSILON * largest + np.max(changes, axis=0))

    def _nearby(self, problem: Derivatives, theta: Array, normalized: bool) -> tuple[Array, list[Array]]:
        """Return gradients, shape (samples, n), and two Hessians at states near theta, shape (P,)."""
        signs = np.random.Generator(np.random.PCG64(0)).uniform(-1.0, 1.0, (_PAIRS, len(theta)))
        states = theta * (1.0 + _NEARBY * _EPSILON * np.concatenate([signs, -signs]))
        if normalized:
            states = problem.network.retract(states)
        states = np.concatenate([theta[None], states])
        gradients = np.stack([self._coordinates.gradient(state) for state in states])
        if not normalized:
            gradients = _without_symmetries(problem, self._coordinates, theta, gradients)
        return gradients, [self._coordinates.hessian(state) for state in states[1:3]]

    @property
    def at_rest(self) -> bool:
        """True if nothing is known of the gradient but that it vanishes to rounding."""
        return not self.speeds.any()

    @property
    def growth(self) -> float:
        """The fastest rate at which a deviation is known to grow, 0 if none is."""
        growing = self.spectrum < -self._unknown_rate
        return float((-self.spectrum[growing]).max(initial=0.0))

    def _shares(self, duration: float | Array) -> Array:
        """Return the integral of exp(-rate t) over each duration, (...), for each mode, (..., n)."""
        rates = np.where(np.abs(self.spectrum) > self._unknown_rate, self.spectrum, 0.0)
        durations = np.asarray(duration)[..., None]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slow = np.abs(rates) * durations < 1e-8
            return np.asarray(np.where(slow, durations, -np.expm1(-rates * durations) / rates))

    def motion(self, duration: float | Array) -> Array:
        """Return by how much z moves: -(1 - exp(-duration Hess)) / Hess times G.

        Shape (..., n) for durations of shape (...).
        """
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.where(self.speeds == 0.0, 0.0, -self._shares(duration) * self.speeds)
            return _times_each(self._modes, moved)

    def unknown_motion(self, duration: float | Array) -> Array:
        """Return the size of what rounding hides of the motion of z, shape (..., n)."""
        with np.errstate(over="ignore", invalid="ignore"):
            hidden = np.where(self.noise == 0.0, 0.0, self._shares(duration) * self.noise)
            return np.sqrt(_times_each(self._squared_modes, hidden**2))

    def unknown_descent(self, duration: float) -> float:
        """Return how much of the risk could be lost in what rounding hides, growing modes left out."""
        stable = self.spectrum > -self._unknown_rate
        return float((self.noise[stable] ** 2 * self._shares(duration)[stable]).sum())

    def after(self, duration: float | Array) -> Array:
        """Return theta after each duration, (...), shape (..., P)."""
        return self._coordinates.theta(self.motion(duration))

    def small(self, durations: Array, tolerance: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return whether motion is below a tolerance, and what rounding hides of it, over durations, (B,)."""
        scale = self._coordinates.of_sizes(tolerance)
        moved, hidden = (_sizes(m, scale) for m in (self.motion(durations), self.unknown_motion(durations)))
        return moved <= 1.0, hidden <= 1.0

    def verdict(
        self, duration: float, tolerance: Array, descent: float
    ) -> Literal["moves", "settled", "at rest", "hidden"]:
        """Tell what is known of the flow over a duration.

        Parameters
        ----------
        duration : of flow time
        tolerance : shape (P,), of each component of theta
        descent : of the risk, in units of risk

        Returns
        -------
        "moves" if there is more motion than the tolerance; "settled" if there is less, and rounding hides
        less; "at rest" if rounding hides more, in a gradient that vanishes to rounding; "hidden" if the
        risk that could be lost on the way exceeds `descent`
        """
        (still,), (certain,) = self.small(np.array([duration]), tolerance)
        if not still:
            return "moves"
        if certain:
            return "settled"
        return "at rest" if self.unknown_descent(duration) <= descent else "hidden"


def _times_each(matrix: Array, rows: Array) -> Array:
    """Return a matrix times each row, one by one: all at once they would depend on how many there are."""
    if rows.ndim == 1:
        return np.asarray(matrix @ rows)
    return np.stack([matrix @ row for row in rows])


def _sizes(motions: Array, scale: Array) -> Array:
    """Return the root mean square of motions, (B, n), each component relative to its tolerance, (n,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.mean((motions / scale) ** 2, axis=-1)))


def _function_derivatives(problem: Derivatives, theta: Array, linear: Array) -> Array:
    """Return sqrt(2) |df/dtheta_p| in L2 of the input measure, or more, shape (P,), at theta of shape (P,).

    The sum that makes a component of the gradient is at most sqrt(2 L) times this, by Cauchy and Schwarz. It
    is known for the output layer, in which the network is linear, from the Hessian. A row's curvature says
    nothing of it: at a saddle that is the residual's, and as large for a neuron of any size. The same bound
    holds for a derivative along any unit vector of a row.

    Parameters
    ----------
    problem : with one hidden layer
    theta : shape (P,)
    linear : shape (P,), roots of the diagonal of the Hessian, for the output layer
    """
    outputs, h, d = problem.network.outputs, problem.network.hidden[0], problem.network.inputs
    first = h * (d + 1)
    columns = np.linalg.norm(theta[first:-outputs].reshape(outputs, h), axis=0)
    rows = np.sqrt(2.0) * _reach(problem.measure) * columns
    return np.concatenate([np.repeat(rows, d), rows, linear[first:]])


def _reach(measure: Measure) -> float:
    """Return a bound of E[(t.(x, 1))^2]^(1/2) over unit vectors t."""
    if isinstance(measure, Gaussian):
        factor, mean = measure.factor, np.append(measure.centre, 1.0)
        moments = np.outer(mean, mean)
        moments[:-1, :-1] += np.diag(factor[0] ** 2) if len(factor) == 1 else factor @ factor.T
        return float(np.sqrt(np.linalg.eigvalsh(moments)[-1]))
    return float(np.hypot(1.0, np.linalg.norm(np.abs(measure.box).max(axis=1))))


def _without_symmetries(
    problem: Derivatives, coordinates: Coordinates, theta: Array, gradients: Array
) -> Array:
    """Return gradients, (m, n), without what rounding leaves along the rescaling symmetries.

    Exactly, <row_i, G_row_i> = <column_i, G_column_i> for every hidden neuron of a network with one hidden
    layer; of use where row, bias and column are all free.
    """
    network = problem.network
    h, inputs = network.hidden[0], network.inputs
    result = gradients.copy()
    for i in np.flatnonzero(conserved_neurons(network, problem.frozen)).tolist():
        row = np.r_[np.arange(i * inputs, (i + 1) * inputs), h * inputs + i]
        column = np.arange(h * (inputs + 1) + i, len(theta) - network.outputs, h)
        direction = np.zeros_like(theta)
        direction[row], direction[column] = theta[row], -theta[column]
        length = np.linalg.norm(direction)
        if length > 0.0:
            unit = coordinates.of_sizes(direction / length)
            result -= (result @ unit)[:, None] * unit
    return result
