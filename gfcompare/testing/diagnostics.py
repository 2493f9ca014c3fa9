"""Checks of a diagnostic: its dimensions and units, and that it looks at each trajectory by itself."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from gfcompare.diagnostics import PairedDiagnostic, Quantity, Trajectories, TrajectoryDiagnostic
from gfcompare.diagnostics.compute import missing_values
from gfcompare.integrators.status import Array
from gfcompare.problem import Problem
from gfcompare.testing.declarations import made
from gfcompare.testing.records import Broken, NotApplicable, Subject, expect, numbers
from gfcompare.testing.sample_problems import KINDS, sample


def described(subject: Subject) -> str:
    """Check that it says what it is: a long name and units that are not empty."""
    cls = subject.cls
    for key in ("long_name", "units"):
        expect(
            str(getattr(cls, key, "")).strip(),
            "long_name and units are text that a figure's axis can show",
            f"{key} is {getattr(cls, key, None)!r}",
            'Write the units as the other variables have them, such as "output^2"; "1" for a pure number',
        )
    return ""


def shapes(subject: Subject) -> str:
    """Check that for each problem to which it applies it is numbers of shape (M, T, and that of dims)."""
    applied = 0
    for kind in KINDS:
        problem = sample(kind).problem
        if not _defined(subject, problem):
            continue
        applied += 1
        found = _computed(subject, kind, _states(kind))
        expected = missing_values(subject.cls, problem, _states(kind).shape[:2]).shape
        expect(
            found.shape == expected and found.dtype.kind in "fiub",
            f"with dims = {subject.cls.dims} it is real numbers of shape {expected}, with {KINDS[kind]}",
            f"it is {found.dtype} of shape {found.shape}",
            "Reduce over the last axis of theta, and name further axes in dims",
        )
    if not applied:
        raise NotApplicable("it applies to none of the sample problems")
    return ""


def missing_states(subject: Subject) -> str:
    """Check that it is NaN where a trajectory has no state, and only the states that are there count."""
    kind = _first(subject)
    whole, cut = _states(kind), _states(kind).copy()
    cut[1, 2:] = np.nan
    one, two = _computed(subject, kind, whole), _computed(subject, kind, cut)
    expect(
        bool(np.isnan(two[1, 2:].astype(np.float64)).all()),
        "where theta is NaN, because a trajectory has ended, it is NaN",
        f"it is {numbers(np.ravel(two[1, 2:])[:3])}",
        "Return np.where(np.isfinite(theta).all(axis=-1), found, np.nan): NaN < 1 is False",
    )
    expect(
        np.array_equal(one[[0, 2]], two[[0, 2]], equal_nan=True)
        and np.array_equal(one[1, :2], two[1, :2], equal_nan=True),
        "the end of a trajectory changes nothing of what was before, or of others",
        "states before the end, or of other trajectories, have another value",
        "Use nothing of later times",
    )
    return ""


def batch_as_single(subject: Subject) -> str:
    """Check that of a batch it is what it is of each trajectory by itself."""
    kind = _first(subject)
    theta = _states(kind)
    together = _computed(subject, kind, theta)
    for m in range(len(theta)):
        alone = _computed(subject, kind, theta[m : m + 1])
        expect(
            bool(np.allclose(together[m : m + 1], alone, rtol=1e-9, atol=1e-12, equal_nan=True)),
            "a trajectory has the same values in a batch and alone",
            f"trajectory {m} has {numbers(np.ravel(together[m])[:3])} and {numbers(np.ravel(alone)[:3])}",
            "Reduce over the last axis only, not over trajectories",
        )
    return ""


def inputs_unchanged(subject: Subject) -> str:
    """Check that it changes neither the states nor the problem, and is the same at each call."""
    kind = _first(subject)
    theta = _states(kind).copy()
    first = _computed(subject, kind, theta)
    expect(
        np.array_equal(theta, _states(kind)),
        "the states are left as they are",
        "theta has been written into",
        "Work on a copy",
    )
    expect(
        np.array_equal(first, _computed(subject, kind, theta), equal_nan=True),
        "it is a function of the states",
        "a second call gave other values",
        "Keep nothing from call to call",
    )
    return ""


def _defined(subject: Subject, problem: Problem) -> bool:
    sizes = {f"neuron_{k}" for k, _ in enumerate(problem.network.hidden, start=1)} | {"input", "output"}
    cls: type[Quantity] = subject.cls
    return sizes >= set(cls.dims) and bool(cls.applies(problem))


def _first(subject: Subject) -> str:
    """Return the first kind of problem to which a diagnostic applies."""
    made(subject)
    for kind in KINDS:
        if _defined(subject, sample(kind).problem):
            return kind
    raise NotApplicable("it applies to none of the sample problems")


@lru_cache(maxsize=16)
def _states(kind: str) -> Array:
    """Return states of three trajectories of descent at four times, shape (3, 4, P)."""
    given = sample(kind)
    states = [given.theta]
    for _ in range(3):
        states.append(states[-1] - 0.05 * given.problem.gradient(states[-1]))
    return np.stack(states, axis=1)


def _computed(subject: Subject, kind: str, theta: Array) -> Array:
    """Return a diagnostic of states, shape (M, T, P); for one that compares, with states nearby."""
    problem, quantity = sample(kind).problem, made(subject)
    times = np.broadcast_to(0.05 * np.arange(theta.shape[1]), theta.shape[:2])
    paths = Trajectories(theta, np.where(np.isfinite(theta).all(axis=-1), times, np.nan))
    result: Any
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if isinstance(quantity, PairedDiagnostic):
            result = quantity.compare(problem, paths, Trajectories(theta + 0.01, paths.time))
        elif isinstance(quantity, TrajectoryDiagnostic):
            result = quantity.along(problem, paths)
        else:
            raise Broken(
                f"a diagnostic derives from Diagnostic, TrajectoryDiagnostic or PairedDiagnostic; "
                f"here {subject.cls.__name__} does not. Derive from gfc.Diagnostic and write compute."
            )
    return np.asarray(result)
