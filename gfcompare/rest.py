"""Flows near rest, of networks with one input and one hidden layer: to any flow time, however long.

Late in a flow the step sizes are so large that differences of gradients are too rough for a Jacobian, and an
iterative solver has to resolve the whole spectrum. There the exact Hessian takes over: BDF with direct linear
algebra, until what is left of the motion is below the tolerance. Then the flow of the linearised equation is
the solution, in closed form.

Both flows are gradient flows in coordinates z of their own, so that their Jacobian is symmetric: z = theta
for the standard flow; on M a hidden row is (cos phi, sin phi), and z = (phi, v, c).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.cvode import CvodeRun
from gfcompare.interface import CountedProblem, Status

Array = NDArray[np.float64]

# Steps of BDF between two looks at how much motion is left.
_BETWEEN_LOOKS = 50
_EPSILON = float(np.finfo(np.float64).eps)


class Coordinates(Protocol):
    """Coordinates z in which a flow is the gradient flow of the risk."""

    def of(self, theta: Array) -> Array:
        """Return z at theta."""

    def theta(self, z: Array) -> Array:
        """Return theta at z."""

    def gradient(self, z: Array) -> Array:
        """Return the gradient of the risk with respect to z."""

    def hessian(self, z: Array) -> Array:
        """Return the Hessian of the risk with respect to z."""


class Plain:
    """All parameters: the standard flow."""

    def __init__(self, problem: CountedProblem) -> None:
        self._problem = problem

    def of(self, theta: Array) -> Array:
        """Return theta."""
        return theta

    def theta(self, z: Array) -> Array:
        """Return z."""
        return z

    def gradient(self, z: Array) -> Array:
        """Return G."""
        return self._problem.gradient(z)

    def hessian(self, z: Array) -> Array:
        """Return the Hessian."""
        return self._problem.hessian(z)


class Angles:
    """The angles of the hidden rows on M, shape (H,), then the output layer: the normalised flow."""

    def __init__(self, problem: CountedProblem) -> None:
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


class NearRest:
    """One trajectory from where it is late.

    Parameters
    ----------
    coordinates : those of its flow
    theta : where it is, shape (P,)
    began : flow time there
    rtol, atol : tolerances of a step, and of the motion that is taken as linear
    steps, rejected, smallest_step : what has been done on the way
    max_steps : steps in all after which it ends
    """

    changes = -1
    note = ""

    def __init__(
        self,
        coordinates: Coordinates,
        theta: Array,
        began: float,
        *,
        rtol: float,
        atol: float,
        steps: int,
        rejected: int,
        smallest_step: float,
        max_steps: int,
    ) -> None:
        self._coordinates = coordinates
        self._rtol, self._atol = rtol, atol
        self._before, self.rejected, self._smallest_before = steps, rejected, smallest_step
        self._bdf = CvodeRun(
            lambda z: -coordinates.gradient(z),
            coordinates.of(theta),
            method="BDF",
            rtol=rtol,
            atol=atol,
            max_steps=max(max_steps - steps, 1),
            began=began,
            jacobian=lambda z: -coordinates.hessian(z),
        )
        self._looked = -1.0
        self._spectrum = np.empty(0)
        self._modes = np.empty((0, 0))
        self._slopes = np.empty(0)

    @property
    def steps(self) -> int:
        """Steps made in all."""
        return self._before + self._bdf.steps

    @property
    def smallest_step(self) -> float:
        """Smallest step accepted."""
        return min(self._smallest_before, self._bdf.smallest_step)

    @property
    def reached(self) -> float:
        """Flow time reached by steps."""
        return self._bdf.reached

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return theta at `time`; with the status and message of a failure, it means nothing."""
        while self.reached < time:
            left = self._motion(time - self.reached)
            scale = self._atol + self._rtol * np.abs(self._bdf.y)
            if np.sqrt(np.mean((left / scale) ** 2)) <= 1.0:
                return self._coordinates.theta(self._bdf.y + left), Status.RUNNING, ""
            status, message = self._bdf.towards(time, _BETWEEN_LOOKS)
            if status is not Status.RUNNING:
                return self._bdf.y, status, message
        z, status, message = self._bdf.to(time)
        return self._coordinates.theta(z), status, message

    def _motion(self, time: float) -> Array:
        """Return the motion of the linearised flow over `time`: -(1 - exp(-time Hess)) / Hess times G.

        Components of the gradient that are not larger than its rounding error count as 0: the gradient at
        the nearest floating-point numbers is as far from it as the Hessian times their distance.
        """
        if self._looked != self.reached:
            z = self._bdf.y
            self._spectrum, self._modes = np.linalg.eigh(self._coordinates.hessian(z))
            slopes = self._modes.T @ self._coordinates.gradient(z)
            rounding = _EPSILON * float(np.abs(self._spectrum).max()) * float(np.linalg.norm(z))
            self._slopes = np.where(np.abs(slopes) > rounding, slopes, 0.0)
            self._looked = self.reached
        rates = self._spectrum
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            shares = np.where(rates == 0.0, time, -np.expm1(-rates * time) / rates)
            return np.asarray(self._modes @ -np.where(self._slopes == 0.0, 0.0, shares * self._slopes))
