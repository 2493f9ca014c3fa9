"""Checks of what becomes of a trajectory that goes wrong, and of its neighbours; kinds of problem."""

from __future__ import annotations

import warnings

import numpy as np

from gfcompare.components.errors import FOREIGN_ERRORS
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.record import Record
from gfcompare.integrators.status import Status
from gfcompare.testing import runs
from gfcompare.testing.declarations import made
from gfcompare.testing.records import Broken, NotApplicable, Subject, expect
from gfcompare.testing.runs import FaultyProblem
from gfcompare.testing.sample_problems import KINDS, Sample, sample

_ENDED = (Status.DIVERGED, Status.FAILED)
#: What of the gradient overflows where the parameters of the sample have this size; a test holds it to be so.
OVERFLOWS = {1e154: "infinite", 1e170: "NaN"}


def not_finite(subject: Subject) -> str:
    """Check that a trajectory whose gradient is NaN or infinite ends, and harms no neighbour."""
    method = made(subject)
    for what, value in {"NaN": np.nan, "infinite": np.inf}.items():
        given = FaultyProblem.like(sample(), value=value)
        # The core's test of stationarity meets it too: does the method?
        if _asks_for_gradients(method, given):
            _with_neighbours(method, given, f"its gradient is {what}")
    # Compiled steps ask no problem in Python: their own gradient is to overflow.
    for factor, what in OVERFLOWS.items():
        _with_neighbours(method, overflowing(sample(), factor), f"its gradient is {what} by overflow")
    return ""


def overflowing(given: Sample, factor: float) -> Sample:
    """Return a sample whose second trajectory starts at parameters of that size, a factor of `OVERFLOWS`."""
    far = given.theta.copy()
    far[1] *= factor
    return Sample(given.problem, far)


def errors(subject: Subject) -> str:
    """Check that a trajectory whose gradient raises an error fails, and harms no neighbour."""
    method = made(subject)
    given = FaultyProblem.like(sample(), raises=True)
    problem = given.problem
    assert isinstance(problem, FaultyProblem)  # as `like` makes it
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            counted, state = runs.begun(method, given)
            state = method.advance(counted, state, runs.TIMES[1])
    except ArithmeticError:
        _with_neighbours(method, given, "its gradient raises an error")
        return ""
    if not problem.hits:
        raise NotApplicable(
            "it did not ask for the gradient that raises an error: its steps are compiled, or look elsewhere"
        )
    expect(
        state.status[1] in _ENDED,
        "an error in a gradient ends its trajectory",
        f"it was raised {problem.hits} times, and the trajectory goes on",
        "Let errors pass: catch only those that you can mend",
    )
    return ""


def _asks_for_gradients(method: Integrator, given: Sample) -> bool:
    """Return whether a method asks for gradients in Python, and so meets what a problem does wrong."""
    assert isinstance(given.problem, FaultyProblem)  # as `FaultyProblem.like` makes it
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            counted, state = runs.begun(method, given)
            method.advance(counted, state, runs.TIMES[1])
        except FOREIGN_ERRORS:
            return True
    return given.problem.hits > 0


def _with_neighbours(method: Integrator, given: Sample, why: str) -> None:
    """Check that trajectory 1 ends and that 0 and 2 are as without it."""
    record = runs.run(method, given)
    status = Status(int(record.status[1]))
    expect(
        status in _ENDED,
        "a trajectory whose gradient is no number ends as diverged or failed",
        f"{why}, and it ends as {status.name.lower()}",
        "Replace no NaN, catch no error, and return NaN where only signs of the gradient count; the core "
        "ends what is not finite",
    )
    alone = runs.run(method, Sample(given.problem, given.theta), rows=[0, 2])
    expect(
        runs.same(record.theta[[0, 2]], alone.theta, runs.ROUNDING),
        "a trajectory that ends harms no neighbour",
        f"without it {runs.difference(record.theta[[0, 2]], alone.theta)}",
        "Take norms and means over the last axis only, and leave rows alone that are not running",
    )


def time_limit(subject: Subject) -> str:
    """Check that trajectories end at the time limit, with what was saved before."""
    method, given = made(subject), sample()
    free = runs.run(method, given)
    record = runs.run(method, given, time_limit=1e-12)
    for m in np.flatnonzero(free.status != Status.FAILED).tolist():
        status = Status(int(record.status[m]))
        early = Status(int(free.status[m])) is not Status.REACHED_END and status == free.status[m]
        expect(
            status is Status.TIME_LIMIT or early,
            "the core ends a trajectory at the time limit, after the save time that it has reached",
            f"with a limit of 1e-12 s it ends as {status.name.lower()}",
            "Do not set reached_end yourself, and do no more in advance than get to `time`",
        )
        expect(
            bool(np.isfinite(record.theta[m, 0]).all()),
            "what was saved before the time limit is kept",
            "there is no state at the first save time",
            "Return the state at flow time 0 unchanged for time = 0",
        )
    return ""


def several_outputs(subject: Subject) -> str:
    """Check that it works with K = 2 outputs, or says why not."""
    return _works(subject, "several outputs")


def deep(subject: Subject) -> str:
    """Check that it works with two hidden layers, or says why not."""
    return _works(subject, "deep")


def plane(subject: Subject) -> str:
    """Check that it works with two inputs, or says why not."""
    return _works(subject, "plane")


def points(subject: Subject) -> str:
    """Check that it works on finitely many points, or says why not."""
    return _works(subject, "points")


def one_neuron(subject: Subject) -> str:
    """Check that it works with a single hidden neuron, or says why not."""
    return _works(subject, "one neuron")


def dead_network(subject: Subject) -> str:
    """Check that it works where no neuron is active, or says why not."""
    return _works(subject, "dead network")


def _works(subject: Subject, kind: str) -> str:
    """Check that a method runs on a kind of problem; return why not, if it says so."""
    given = sample(kind)
    record = runs.run(made(subject), given, (0.0, 0.5, 1.0))
    if refusal := _refusal(record):
        return f"it says why not: {refusal}"
    for m, status in enumerate(map(Status, record.status.tolist())):
        if status is Status.FAILED:
            raise Broken(
                f"a method runs with {KINDS[kind]}, widths {list(given.problem.network.widths)}, or says why "
                f"not with gfc.require; here: {record.messages[m]}. Use problem.network and the last axis "
                "of theta only."
            )
        present = record.theta[m][np.isfinite(record.flow_time[m])]
        expect(
            bool(np.isfinite(present).all()) and len(present) > 0,
            f"a method returns finite parameters with {KINDS[kind]}",
            f"trajectory {m} ended as {status.name.lower()} with {record.messages[m]!r}",
            "Look for divisions by norms that may be 0",
        )
        expect(
            status is not Status.DIVERGED,
            f"with its default options a method does not diverge with {KINDS[kind]}",
            f"trajectory {m}: {record.messages[m]}",
            "Look for divisions by norms that may be 0, or take a smaller step size as default",
        )
    return ""


def _refusal(record: Record) -> str:
    """Return why a method refuses a problem: an InputError of its own for every trajectory."""
    refused = [
        status == Status.FAILED and message.startswith("InputError: ")
        for status, message in zip(record.status.tolist(), record.messages, strict=True)
    ]
    return record.messages[0].removeprefix("InputError: ") if all(refused) else ""
