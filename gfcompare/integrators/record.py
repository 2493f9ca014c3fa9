"""The record of trajectories at the save times."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gfcompare.integrators.status import Array, Integers


@dataclass(frozen=True)
class Record:
    """M trajectories at T save times. Where a trajectory has no value, it is NaN (or -1 if integer).

    Attributes
    ----------
    times : ndarray, shape (T,)
        flow times asked for
    theta : ndarray, shape (M, T, P)
    flow_time : ndarray, shape (M, T)
        flow times reached: a method with steps stops at the nearest one
    steps, gradient_evaluations, sample_gradients, risk_evaluations : ndarray of int64, shape (M, T)
    activation_changes : ndarray of int64, shape (M, T)
        those that the method located
    rejected_steps : ndarray of int64, shape (M, T)
        those that the method tried and rejected
    smallest_step : ndarray, shape (M, T)
        the smallest accepted so far, of a method that chooses its steps
    wall_time : ndarray, shape (M, T)
        seconds of one core that the method has spent on the trajectory, diagnostics not included
    status : ndarray of int8, shape (M,)
    messages : M sentences
    end_time : ndarray, shape (M,)
        flow time at which the trajectory ended
    """

    times: Array
    theta: Array
    flow_time: Array
    steps: Integers
    gradient_evaluations: Integers
    sample_gradients: Integers
    risk_evaluations: Integers
    activation_changes: Integers
    rejected_steps: Integers
    smallest_step: Array
    wall_time: Array
    status: NDArray[np.int8]
    messages: tuple[str, ...]
    end_time: Array


COUNTERS = (
    "steps",
    "rejected_steps",
    "gradient_evaluations",
    "sample_gradients",
    "risk_evaluations",
    "activation_changes",
)


def joined(parts: Sequence[Record]) -> Record:
    """Return one record of all trajectories of several records."""
    fields = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in dataclasses.fields(Record)
        if field.name not in ("times", "messages")
    }
    return Record(times=parts[0].times, messages=tuple(m for part in parts for m in part.messages), **fields)
