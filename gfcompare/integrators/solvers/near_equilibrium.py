"""Flows near an equilibrium, of networks with one hidden layer: to any flow time, however long.

Once all motion that is left is below the tolerance, the flow of the linearised equation is the solution, in
closed form. What is left is told from rounding mode by mode: a slow mode in which the gradient is small but
known goes on, however much larger rounding errors in the stiff modes are; the errors are measured, by
evaluating the gradient at states that differ by rounding (J. J. More, S. M. Wild, "Estimating computational
noise", doi:10.1137/100786125).

Both flows are gradient flows in coordinates z of their own (`coordinates`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gfcompare.evaluators.frozen import conserved_neurons
from gfcompare.integrators.solvers.coordinates import Coordinates, Derivatives, coordinates_at
from gfcompare.measures import Gaussian, Measure
from gfcompare.system import threads

Array = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
# States near by, and standard errors that a component of the gradient has to exceed. They are several hundred
# roundings away: rounding errors at the very next numbers are much the same, and would pass for a gradient.
# They are opposite in pairs: what the way there changes of the gradient has no part in the mean.
# Rounding errors have a part in common there, which more states do not make smaller. Of 192 networks that are
# the target exactly (line, plane, normal inputs, both flows) 7 seem to move, where with 4 pairs and 4, 5 or 6
# standard errors 21, 8 or 4 did. Of 192 that move in their slowest mode by 5 standard errors of nine states,
# 48 pass for rest (32, 77 or 122), by 7 of them 12 (5, 17 or 53), by 10 none.
_PAIRS, _NEARBY, _SIGNIFICANT = 8, 512.0, 6.0
# Largest changes of eigenvalues between states near by, by which these are not known.
_UNKNOWN_RATE = 4.0
#: The most parameters for which all eigenvalues are computed.
LARGEST_DENSE = 800


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
        self._unknown_rate = _UNKNOWN_RATE * (len(hessian) * _EPSILON * largest + np.max(changes, axis=0))

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
