"""Plateaus of deep networks along which a flow has slid: what a result says of them (`kernels.plateaus`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gfcompare.integrators.status import Array


def plateau_count(hidden: Sequence[int]) -> int:
    """Return how many plateaus hidden layers of these widths have."""
    return sum(sum(hidden[dead:]) for dead in range(1, len(hidden)))


def slid(hidden: Sequence[int], since: Array) -> str:
    """Return what there is to say of a trajectory that has slid along plateaus, empty if along none.

    Parameters
    ----------
    hidden : the widths of the hidden layers
    since : shape (N,), of each plateau the flow time when the flow first began to slide, 0 for never
    """
    count = int(np.count_nonzero(since))
    if not count:
        return ""
    first = int(np.argmin(np.where(since > 0.0, since, np.inf)))
    dead, layer, neuron = _place(hidden, first)
    several = "" if count == 1 else f", and {count - 1} more surface{'s' if count > 2 else ''}"
    return (
        f"slid, first from flow time {since[first]:.3g} on, along the surface on which neuron {neuron} of "
        f"layer {layer} is 0 wherever layer {dead} is inactive{several}, where the gradient jumps: the flow is "
        "that of Filippov, and not unique backward in time"
    )


def _place(hidden: Sequence[int], number: int) -> tuple[int, int, int]:
    """Return the inactive layer, the layer and the neuron of a plateau, counted from 1."""
    for dead in range(1, len(hidden)):
        for layer in range(dead + 1, len(hidden) + 1):
            if number < hidden[layer - 1]:
                return dead, layer, number + 1
            number -= hidden[layer - 1]
    raise AssertionError("no such plateau")
