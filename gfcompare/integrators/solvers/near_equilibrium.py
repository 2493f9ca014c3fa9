"""Flows near an equilibrium, of networks with one input and one hidden layer: to any flow time, however long.

Once all motion that is left is below the tolerance, the flow of the linearised equation is the solution, in
closed form. What is left is told from rounding mode by mode: a slow mode in which the gradient is small but
known goes on, however much larger rounding errors in the stiff modes are; the errors are measured, by
evaluating the gradient at states that differ by rounding (J. J. More, S. M. Wild, "Estimating computational
noise", doi:10.1137/100786125).

Both flows are gradient flows in coordinates z of their own, so that their Jacobian is symmetric: z = theta
for the standard flow; on M a hidden row is (cos phi, sin phi), and z = (phi, v, c).
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.measures import Measure
from gfcompare.network import ReLUNetwork

Array = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
# States near by, and standard errors that a component of the gradient has to exceed. They are several hundred
# roundings away: rounding errors at the very next numbers are much the same, and would pass for a gradient.
_SAMPLES, _NEARBY, _SIGNIFICANT = 8, 512.0, 4.0
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

    def risk(self, theta: Array) -> Array:
        """Return the risk, shape (...)."""

    def gradient(self, theta: Array) -> Array:
        """Return the gradient, shape (..., P)."""

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian, shape (..., P, P)."""


class Coordinates(Protocol):
    """Coordinates z in which a flow is the gradient flow of the risk."""

    def of(self, theta: Array) -> Array:
        """Return z at theta."""

    def theta(self, z: Array) -> Array:
        """Return theta at z."""

    def of_tolerance(self, tolerance: Array) -> Array:
        """Return the tolerance of each component of z from that of theta, shape (P,)."""

    def gradient(self, z: Array) -> Array:
        """Return the gradient of the risk with respect to z."""

    def hessian(self, z: Array) -> Array:
        """Return the Hessian of the risk with respect to z."""


class Plain:
    """All parameters: the standard flow."""

    def __init__(self, problem: Derivatives) -> None:
        self._problem = problem

    def of(self, theta: Array) -> Array:
        """Return theta."""
        return theta

    def theta(self, z: Array) -> Array:
        """Return z."""
        return z

    def of_tolerance(self, tolerance: Array) -> Array:
        """Return the tolerance."""
        return tolerance

    def gradient(self, z: Array) -> Array:
        """Return G."""
        return self._problem.gradient(z)

    def hessian(self, z: Array) -> Array:
        """Return the Hessian."""
        return self._problem.hessian(z)


class Angles:
    """The angles of the hidden rows on M, shape (H,), then the output layer: the normalised flow."""

    def __init__(self, problem: Derivatives) -> None:
        self._problem = problem
        self._hidden = problem.network.hidden[0]

    def of(self, theta: Array) -> Array:
        """Return the angles and the output layer."""
        h = self._hidden
        return np.concatenate([np.arctan2(theta[h : 2 * h], theta[:h]), theta[2 * h :]])

    def theta(self, z: Array) -> Array:
        """Return the parameters on M."""
        h = self._hidden
        return np.concatenate([np.cos(z[:h]), np.sin(z[:h]), z[h:]])

    def of_tolerance(self, tolerance: Array) -> Array:
        """Return the tolerance: of a row, which has norm 1, the larger of its two."""
        h = self._hidden
        return np.concatenate([np.maximum(tolerance[:h], tolerance[h : 2 * h]), tolerance[2 * h :]])

    def gradient(self, z: Array) -> Array:
        """Return the gradient: that of a row along its circle."""
        theta = self.theta(z)
        h = self._hidden
        gradient = self._problem.gradient(theta)
        along = theta[:h] * gradient[h : 2 * h] - theta[h : 2 * h] * gradient[:h]
        return np.concatenate([along, gradient[2 * h :]])

    def hessian(self, z: Array) -> Array:
        """Return the Hessian: that on the tangent space, and what the circles' curvature adds."""
        theta = self.theta(z)
        h = self._hidden
        hessian, gradient = self._problem.hessian(theta), self._problem.gradient(theta)
        tangents = np.zeros((len(theta), len(z)))
        rows = np.arange(h)
        tangents[rows, rows], tangents[h + rows, rows] = -theta[h : 2 * h], theta[:h]
        tangents[2 * h :, h:] = np.eye(len(z) - h)
        result = tangents.T @ hessian @ tangents
        result[rows, rows] -= theta[:h] * gradient[:h] + theta[h : 2 * h] * gradient[h : 2 * h]
        return result


def coordinates_of(problem: Derivatives, normalized: bool) -> Coordinates:
    """Return the coordinates of a flow."""
    return Angles(problem) if normalized else Plain(problem)


def hessian_along(problem: Derivatives, theta: Array, normalized: bool) -> Array:
    """Return the Hessian at theta, shape (P,), in the coordinates of a flow, shape (n, n)."""
    coordinates = coordinates_of(problem, normalized)
    return coordinates.hessian(coordinates.of(theta))


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

    def __init__(self, problem: Derivatives, theta: Array, normalized: bool) -> None:
        self._coordinates = coordinates_of(problem, normalized)
        self._z = self._coordinates.of(theta)
        hessian = self._coordinates.hessian(self._z)
        self.spectrum, self._modes = np.linalg.eigh(hessian)
        gradients, hessians = self._nearby()
        if not normalized:
            gradients = _without_symmetries(problem.network, theta, gradients)
        components = gradients @ self._modes
        noise = components.std(axis=0, ddof=1) / np.sqrt(len(components))
        # So much at least is rounding, also where parameters are 0 and do not move at states near by.
        with np.errstate(over="ignore", invalid="ignore"):
            scale = np.sqrt(2.0 * float(problem.risk(theta)))
            modal_derivatives = np.sqrt(
                self._modes.T**2 @ _function_derivatives(problem, theta, hessian) ** 2
            )
            noise = np.maximum(
                noise, _EPSILON * scale * np.minimum(modal_derivatives, np.sqrt(np.abs(self.spectrum)))
            )
        known = np.abs(components.mean(axis=0)) > _SIGNIFICANT * noise
        self.speeds, self.noise = np.where(known, components[0], 0.0), np.where(known, 0.0, noise)
        # Eigenvalues are known up to this, shape (n,).
        changes = [np.abs(((h - hessian) @ self._modes * self._modes).sum(axis=0)) for h in hessians]
        largest = float(np.abs(self.spectrum).max(initial=0.0))
        self._unknown_rate = _SIGNIFICANT * (len(self._z) * _EPSILON * largest + np.max(changes, axis=0))

    def _nearby(self) -> tuple[Array, list[Array]]:
        """Return gradients, shape (samples, n), and two Hessians at states near z."""
        signs = np.random.Generator(np.random.PCG64(0)).uniform(-1.0, 1.0, (_SAMPLES, len(self._z)))
        signs[0] = 0.0
        states = self._z * (1.0 + _NEARBY * _EPSILON * signs)
        gradients = np.stack([self._coordinates.gradient(z) for z in states])
        return gradients, [self._coordinates.hessian(z) for z in states[1:3]]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is known of the gradient but that it vanishes to rounding."""
        return not self.speeds.any()

    @property
    def growth(self) -> float:
        """The fastest rate at which a deviation is known to grow, 0 if none is."""
        growing = self.spectrum < -self._unknown_rate
        return float((-self.spectrum[growing]).max(initial=0.0))

    def _shares(self, duration: float) -> Array:
        """Return the integral of exp(-rate t) over the duration, for each mode."""
        rates = np.where(np.abs(self.spectrum) > self._unknown_rate, self.spectrum, 0.0)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slow = np.abs(rates) * duration < 1e-8
            return np.asarray(np.where(slow, duration, -np.expm1(-rates * duration) / rates))

    def motion(self, duration: float) -> Array:
        """Return by how much z moves, shape (n,): -(1 - exp(-duration Hess)) / Hess times G."""
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.where(self.speeds == 0.0, 0.0, -self._shares(duration) * self.speeds)
            return np.asarray(self._modes @ moved)

    def unknown_motion(self, duration: float) -> Array:
        """Return the size of what rounding hides of the motion of z, shape (n,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            hidden = np.where(self.noise == 0.0, 0.0, self._shares(duration) * self.noise)
            return np.asarray(np.sqrt(self._modes**2 @ hidden**2))

    def unknown_descent(self, duration: float) -> float:
        """Return how much of the risk could be lost in what rounding hides, growing modes left out."""
        stable = self.spectrum > -self._unknown_rate
        return float((self.noise[stable] ** 2 * self._shares(duration)[stable]).sum())

    def after(self, duration: float) -> Array:
        """Return theta after a duration, shape (P,)."""
        return self._coordinates.theta(self._z + self.motion(duration))

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
        scale = self._coordinates.of_tolerance(tolerance)
        if not _size(self.motion(duration), scale) <= 1.0:
            return "moves"
        if _size(self.unknown_motion(duration), scale) <= 1.0:
            return "settled"
        return "at rest" if self.unknown_descent(duration) <= descent else "hidden"


def _size(motion: Array, scale: Array) -> float:
    """Return the root mean square of a motion, each component relative to its tolerance."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean((motion / scale) ** 2)))


def _function_derivatives(problem: Derivatives, theta: Array, hessian: Array) -> Array:
    """Return sqrt(2) |df/dz_p| in L2 of the input measure, or more, shape (n,), at theta of shape (P,).

    The sum that makes a component of the gradient is at most sqrt(2 L) times this, by Cauchy and Schwarz. It
    is exact for the output layer, in which the network is linear. A row's curvature says nothing of it: at a
    saddle that is the residual's, and as large for a neuron of any size.

    Parameters
    ----------
    problem : with one input and one hidden layer
    theta : shape (P,)
    hessian : shape (n, n), in the coordinates z
    """
    outputs, h = problem.network.outputs, problem.network.hidden[0]
    linear = outputs * (h + 1)
    result = np.sqrt(np.abs(np.diagonal(hessian)))
    columns = np.linalg.norm(theta[-linear:-outputs].reshape(outputs, h), axis=0)
    reach = np.hypot(1.0, np.abs(problem.measure.box).max())
    rows = len(result) - linear
    result[:rows] = np.tile(result[-1] * reach * columns, rows // h)
    return result


def _without_symmetries(network: ReLUNetwork, theta: Array, gradients: Array) -> Array:
    """Return gradients, (n, P), without what rounding leaves along the rescaling symmetries.

    Exactly, <row_i, G_row_i> = <column_i, G_column_i> for every hidden neuron of a network with one hidden
    layer.
    """
    h, inputs = network.hidden[0], network.inputs
    result = gradients.copy()
    for i in range(h):
        row = np.r_[np.arange(i * inputs, (i + 1) * inputs), h * inputs + i]
        column = np.arange(h * (inputs + 1) + i, len(theta) - network.outputs, h)
        direction = np.concatenate([theta[row], -theta[column]])
        length = np.linalg.norm(direction)
        if length > 0.0:
            places = np.concatenate([row, column])
            unit = direction / length
            result[:, places] -= (result[:, places] @ unit)[:, None] * unit
    return result
