"""Checks of the values that a method returns: a wrong shape would be broadcast into plausible numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import ContractError, InputError
from gfcompare.integrators.base import Integrator, State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.status import Array, Status
from gfcompare.network import ReLUNetwork

_LAST = max(status.value for status in Status)
# As plain numbers, with which arrays are compared faster than with members of an enumeration.
_RUNNING = np.int8(Status.RUNNING)


def described(value: object) -> str:
    """Return what a value is, for a message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, tuple):
        return f"({', '.join(described(item) for item in value)})"
    return "None" if value is None else f"{type(value).__name__} {value!r:.40}"


def check_array(value: object, shape: tuple[int, ...], place: str, what: str, returned: object) -> Array:
    """Return an array of float64, or raise ContractError unless it is one of a given shape.

    Parameters
    ----------
    value : to be checked
    shape : that it must have
    place : the function that returned it, such as ``HeavyBall.step``
    what : what it must return, such as ``(theta, solver_state)``
    returned : all that it returned
    """
    # Arrays of other libraries serve; lists and numbers are more often a mistake.
    array = np.asarray(value) if hasattr(value, "__array__") else None
    if array is not None and array.shape == shape and array.dtype == np.float64:
        return array
    raise ContractError(
        f"{place} must return {what} of shape {shape} and type float64, got {described(returned)}."
    )


def check_step(result: object, shape: tuple[int, ...], place: str, first: str = "theta") -> tuple[Array, Any]:
    """Return the two parts of what a step returns: an array of a given shape, and anything."""
    what = f"({first}, solver_state) with {first}"
    if not isinstance(result, tuple) or len(result) != 2:
        raise ContractError(
            f"{place} must return {what} of shape {shape} and type float64, got {described(result)}."
        )
    return check_array(result[0], shape, place, what, result), result[1]


def check_frozen(network: ReLUNetwork, frozen: Sequence[str], integrator: Integrator) -> None:
    """Raise InputError if a method moves networks to M, and with them parameters that are frozen.

    The normalisation map divides each hidden row and bias by its norm, and multiplies the outgoing column.
    """
    moved = [group for group in frozen if group != f"bias_{network.depth}"]
    if integrator.on_manifold and moved:
        raise InputError(
            f"{type(integrator).__name__} lives on the submanifold M, and the normalisation map would change "
            f"the frozen parameters {', '.join(moved)}: only bias_{network.depth} may be frozen there. "
            "Leave the method out, or nothing else frozen."
        )


def check_block(result: object, shape: tuple[int, ...], place: str) -> tuple[Array, Any, NDArray[np.int64]]:
    """Return the three parts of what a block of steps returns."""
    what = "(theta, solver_state, taken) with theta"
    if not isinstance(result, tuple) or len(result) != 3:
        raise ContractError(
            f"{place} must return {what} of shape {shape} and type float64, got {described(result)}."
        )
    theta = check_array(result[0], shape, place, what, result)
    taken = result[2]
    if not (isinstance(taken, np.ndarray) and taken.shape == shape[:1] and taken.dtype.kind in "iu"):
        raise ContractError(
            f"{place} must return the steps taken as integers of shape {shape[:1]}, got {described(taken)}."
        )
    return theta, result[1], taken


class _Flow(Protocol):
    """A method that integrates y' = velocity(y)."""

    def coordinates(self, problem: CountedProblem, theta: Array) -> Array: ...

    def velocity(self, problem: CountedProblem, y: Array) -> Array: ...

    def parameters(self, problem: CountedProblem, y: Array) -> Array: ...


def check_flow(method: _Flow, problem: CountedProblem, theta: Array) -> None:
    """Raise ContractError unless a flow's functions return arrays of the right shapes at theta, (P,)."""
    name = type(method).__name__
    y = method.coordinates(problem, theta.copy())
    if np.ndim(y) != 1:
        raise ContractError(f"{name}.coordinates must return y of shape (N,), got {described(y)}.")
    if not (isinstance(y, np.ndarray) and y.dtype == np.float64):
        y = check_array(y, np.shape(y), f"{name}.coordinates", "y", y)
    y = np.array(y)
    velocity = method.velocity(problem, y.copy())
    check_array(velocity, y.shape, f"{name}.velocity", "y'", velocity)
    back = method.parameters(problem, y)
    check_array(back, theta.shape, f"{name}.parameters", "theta", back)


_PARTS = (
    ("time", "f"),
    ("steps", "iu"),
    ("status", "iu"),
    ("activation_changes", "iu"),
    ("rejected_steps", "iu"),
    ("smallest_step", "f"),
)


def check_state(state: object, before: State, place: str) -> State:
    """Return a state, or raise ContractError unless it can come after the one before.

    Trajectories that had ended must still have ended; nothing else is asked of their values.
    """
    if not isinstance(state, State):
        raise ContractError(f"{place} must return a gfcompare.State, got {described(state)}.")
    shape = before.theta.shape
    rows = shape[:1]
    check_array(state.theta, shape, place, "a state with theta", state.theta)
    for name, kinds in _PARTS:
        value = getattr(state, name)
        if not (isinstance(value, np.ndarray) and value.shape == rows and value.dtype.kind in kinds):
            kind = "numbers" if kinds == "f" else "integers"
            raise ContractError(
                f"{place} must return a state with {name}, {kind} of shape {rows}, got {described(value)}."
            )
    if state.status.min() < 0 or state.status.max() > _LAST:
        raise ContractError(f"{place} returned a status that is none: {state.status.tolist()}.")
    if len(state.messages) != len(state.status):
        raise ContractError(
            f"{place} must return {len(state.status)} messages, one for each trajectory, "
            f"got {len(state.messages)}."
        )
    if ((before.status != _RUNNING) & (state.status == _RUNNING)).any():
        raise ContractError(f"{place} returned trajectories as running that had ended.")
    return state
