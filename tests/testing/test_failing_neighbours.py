"""Methods in compiled code beside a trajectory whose compiled gradient is no number: not a bit changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import gfcompare as gfc
from gfcompare.integrators.status import Status
from gfcompare.testing import runs
from gfcompare.testing.method_failures import OVERFLOWS, overflowing
from gfcompare.testing.sample_problems import KINDS, Sample, sample
from gfcompare.testing.suite import conformance, subject_of

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "gd": ("gd", {}),
    "gd on M": ("gd", {"normalize": True}),
    "sgd": ("sgd", {"batch_size": 5}),
    "sgd on M": ("sgd", {"normalize": True}),
    "standard flow": ("standard-gf", {}),
    "normalised flow": ("normalized-gf", {}),
}


def test_the_compiled_gradient_overflows_to_infinity_and_to_nan() -> None:
    given = sample()
    with np.errstate(all="ignore"):
        found = {
            what: given.problem.gradient(overflowing(given, f).theta[1]) for f, what in OVERFLOWS.items()
        }
    assert np.isinf(found["infinite"]).any()
    assert not np.isnan(found["infinite"]).any()
    assert np.isnan(found["NaN"]).any()


def unharmed(method: gfc.Integrator, given: Sample) -> Status:
    """Check that trajectories 0 and 2 have the bits that they have without 1; return how 1 ended."""
    together = runs.run(method, given, (0.0, 0.5, 1.0))
    alone = runs.run(method, given, (0.0, 0.5, 1.0), rows=[0, 2])
    assert together.theta[[0, 2]].tobytes() == alone.theta.tobytes()
    assert np.isfinite(alone.theta).all()
    assert together.status[[0, 2]].tolist() == alone.status.tolist()
    np.testing.assert_array_equal(together.gradient_evaluations[[0, 2]], alone.gradient_evaluations)
    return Status(int(together.status[1]))


# With one neuron, or none that is active, what overflows may be a gradient of 0.
SOME_ACTIVE = [kind for kind in KINDS if kind not in ("one neuron", "dead network")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_a_trajectory_whose_gradient_overflows_harms_no_neighbour(name: str, kind: str) -> None:
    method = gfc.integrator(METHODS[name][0], **METHODS[name][1])
    for factor in OVERFLOWS:
        ended = unharmed(method, overflowing(sample(kind), factor))
        if kind in SOME_ACTIVE:
            assert ended in (Status.DIVERGED, Status.FAILED)
            assert ended is Status.DIVERGED or "flow" in name  # a solver may fail at its first step


@pytest.mark.parametrize("name", ["gd", "sgd"])
def test_a_trajectory_that_diverges_within_a_block_of_steps_harms_no_neighbour(name: str) -> None:
    """Ten times the parameters of the others is too much for the same step size, from the second step on."""
    given = sample("deep")
    method = gfc.integrator(name, step_size=0.05)
    assert unharmed(method, overflowing(given, 10.0)) is Status.DIVERGED
    record = runs.run(method, overflowing(given, 10.0), (0.0, 0.5, 1.0))
    assert "left 1e+10 at step 2" in record.messages[1]


@dataclass(frozen=True)
class Signs(gfc.GradientMethod[None]):
    """Steps along the signs of the gradient, with step_size, batch_size and normalize."""

    name: ClassVar[str] = "signs"

    def init_update(self, problem: Any, theta: gfc.Array) -> None:
        return None

    def update(self, gradient: Any, theta: gfc.Array, solver_state: None, step_size: float) -> Any:
        return -step_size * np.sign(gradient(theta)), None


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_method_of_signs_ends_where_the_gradient_is_infinite(value: float, normalize: bool) -> None:
    """The sign of infinity is a number: the base looks at the gradient itself."""
    given = runs.FaultyProblem.like(sample(), value=value)
    assert unharmed(Signs(normalize=normalize), given) is Status.DIVERGED


def test_a_method_that_mends_what_compiled_steps_return_is_caught() -> None:
    """NaN from compiled code, replaced by 0, is a trajectory that goes on as if nothing had happened."""

    @dataclass(frozen=True)
    class Mends(gfc.StepMethod[None]):
        """Gradient descent with step_size that mends NaN."""

        name: ClassVar[str] = "mends"
        step_size: float = 0.05

        def step_block(self, problem: Any, theta: gfc.Array, solver_state: None, sizes: gfc.Array) -> Any:
            moved, taken = problem.descend(theta, sizes)
            lost = ~(np.linalg.norm(moved, axis=1) < 1e9)
            return np.where(lost[:, None], 0.0, moved), None, np.where(lost, len(sizes), taken)

    (outcome,) = conformance(subject_of("integrators", Mends), only=["not-finite"]).outcomes
    assert outcome.ending == "failed"
    assert "its gradient is infinite by overflow, and it ends as" in outcome.message
