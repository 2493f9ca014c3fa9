"""Quantities along trajectories: of each state, of a whole trajectory, or against another one."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import Component
from gfcompare.components.errors import InputError
from gfcompare.problem import Problem

Array = NDArray[np.float64]
_Value = TypeVar("_Value")


@dataclass(frozen=True, eq=False)
class Trajectories:
    """M trajectories of one method at T save times.

    Attributes
    ----------
    theta : ndarray, shape (M, T, P), NaN where a trajectory has ended
    time : ndarray, shape (M, T)
        flow time reached, in units of parameter^2 / risk
    normalized : whether the method lives on the submanifold M
    rtol : relative tolerance of the method's steps, if it has one
    """

    theta: Array
    time: Array
    normalized: bool = False
    rtol: float = 1e-6
    _memo: dict[str, Any] = field(default_factory=dict, repr=False)

    def once(self, key: str, compute: Callable[[], _Value]) -> _Value:
        """Return what `compute` returns, computed for the first of the diagnostics that share it."""
        if key not in self._memo:
            self._memo[key] = compute()
        value: _Value = self._memo[key]
        return value


@dataclass(frozen=True)
class Quantity(Component):
    """Base of the diagnostics: a variable of the result file, computed outside the clocks.

    A subclass sets `name` (the variable in the result file), `long_name` and `units`. Those that derive
    from `Diagnostic` depend on one state at a time, from `TrajectoryDiagnostic` on a trajectory, from
    `PairedDiagnostic` on a trajectory and the standard flow's from the same initial network.
    """

    long_name: ClassVar[str]
    units: ClassVar[str]
    #: Dimensions of the variable besides integrator, seed and time, such as ("neuron_1",).
    dims: ClassVar[tuple[str, ...]] = ()
    #: Whether it is computed where a study does not choose its diagnostics: not if it is costly.
    default: ClassVar[bool] = True

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether the quantity is defined for a problem; elsewhere the result has no such variable."""
        return True


class TrajectoryDiagnostic(Quantity, abc.ABC):
    """A quantity that depends on a trajectory: on its flow times, or on the states before."""

    @abc.abstractmethod
    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return the quantity, shape (M, T, and that of `dims`), NaN where there is no state."""


class Diagnostic(TrajectoryDiagnostic):
    """A quantity of each state of a trajectory.

    A subclass sets `name` (the variable in the result file), `long_name` and `units`, and writes
    `compute`.
    """

    @abc.abstractmethod
    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return the quantity, shape (M, T, and that of `dims`), for trajectories theta, shape (M, T, P).

        Where a trajectory has no state (it ended before), theta is NaN and so must be the result.
        """

    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return the quantity at each state."""
        return self.compute(problem, trajectories.theta)


class PairedDiagnostic(Quantity, abc.ABC):
    """A quantity that compares a method with the standard gradient flow from the same initial networks.

    It is computed when the result is put together, because the trajectories of two methods are computed
    apart; a study without the standard flow has no such variable.
    """

    @abc.abstractmethod
    def compare(self, problem: Problem, trajectories: Trajectories, flow: Trajectories) -> Array:
        """Return the quantity, shape (M, T, and that of `dims`).

        Parameters
        ----------
        problem : the problem
        trajectories : of the method
        flow : of the standard gradient flow, at the same save times and from the same seeds
        """


#: Names in a problem's group of a result file that are no diagnostic's: variables, coordinates, dimensions.
RESERVED_NAMES = frozenset(
    {
        "integrator",
        "seed",
        "time",
        "input",
        "output",
        "point",
        "test_point",
        "check",
        "flow_time",
        "steps",
        "rejected_steps",
        "smallest_step",
        "gradient_evaluations",
        "sample_gradients",
        "risk_evaluations",
        "wall_time",
        "status",
        "message",
        "end_time",
        "on_manifold",
        "follows",
        "options",
        "x",
        "x_1",
        "x_2",
        "target",
        "density",
        "sample_x",
        "sample_target",
        "sample_weight",
        "test_x",
        "test_target",
        "activation_changes",
        "theory_outcome",
        "theory_residual",
        "theory_tolerance",
        "theory_detail",
        "theory_unit",
        "theory_statement",
        "theory_reference",
    }
)
_RESERVED_PATTERN = re.compile(r"(weight|bias|neuron)_\d+|theory_.*|certificate_.*|certified_time|option_.*")
_DIMENSION = re.compile(r"input|output|neuron_[1-9]\d*")


def check_quantity(cls: type[Quantity]) -> None:
    """Raise InputError unless a class of diagnostics describes a variable that a result file can have."""
    name = cls.name
    if not (name.isidentifier() and name.isascii()):
        raise InputError(
            f"{cls.__name__} has the name {name!r}; a diagnostic's is a variable's in the result file: "
            "letters, digits and '_', no digit first"
        )
    if name in RESERVED_NAMES or _RESERVED_PATTERN.fullmatch(name):
        raise InputError(
            f"{cls.__name__} has the name {name!r}, which the result file has for something else: "
            f"choose another, such as 'my_{name}'"
        )
    for key in ("long_name", "units"):
        if not isinstance(getattr(cls, key, None), str):
            raise InputError(f"{cls.__name__} has no class attribute {key!r} that is text")
    dims = cls.dims
    right = isinstance(dims, tuple) and all(isinstance(d, str) and _DIMENSION.fullmatch(d) for d in dims)
    if not right or len(set(dims)) < len(dims):
        raise InputError(
            f"the dims of {cls.__name__} must be a tuple of input, output, neuron_1, ..., each once, "
            f"got {dims!r}"
        )


def present(theta: Array) -> NDArray[np.bool_]:
    """Return which states of theta, shape (..., P), are there, shape (...)."""
    return np.asarray(np.isfinite(theta).all(axis=-1))
