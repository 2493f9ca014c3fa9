"""Plateaus of deep networks along which a flow has slid: what a result says of them (`kernels.plateaus`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gfcompare.integrators.status import Array
from gfcompare.network import ReLUNetwork

# How far from 0 a plateau may be on which a flow slides, relative to the neuron's row.
_ROUNDING = 1e-14


def plateau_count(hidden: Sequence[int]) -> int:
    """Return how many plateaus hidden layers of these widths have."""
    return sum(sum(hidden[dead:]) for dead in range(1, len(hidden)))


def on_a_surface(network: ReLUNetwork, theta: Array, within: float = _ROUNDING) -> bool:
    """Return whether a plateau is 0 at theta, up to rounding.

    Parameters
    ----------
    network : the architecture
    theta : shape (P,)
    within : how far from 0 it may be, relative to the neuron's row

    Examples
    --------
    >>> import numpy as np
    >>> import gfcompare as gfc
    >>> network = gfc.ReLUNetwork((1, 1, 1, 1))
    >>> [on_a_surface(network, np.array([1.0, 0.5, 2.0, bias, 1.0, 0.0])) for bias in (0.0, 0.1)]
    [True, False]
    """
    layers = network.layers(theta)[:-1]
    for dead in range(1, len(layers)):
        level = np.zeros(network.hidden[dead - 1])
        for layer in layers[dead:]:
            value = layer.weight @ level + layer.bias
            length = max(1.0, float(np.linalg.norm(level)))
            size = np.linalg.norm(layer.weight, axis=1) * length + np.abs(layer.bias)
            if np.any(np.abs(value) <= within * size):
                return True
            level = np.maximum(value, 0.0)
    return False


def crossed_again_and_again(rtol: float) -> str:
    """Return what there is to say of a flow that ended near such a surface, by a method that does not slide.

    Parameters
    ----------
    rtol : relative tolerance of a step
    """
    return (
        f"within 10 rtol = {10 * rtol:g} a neuron of a deeper layer is 0 wherever a layer below is inactive: "
        "where the gradient jumps there, steps cross the surface again and again, and more of them do not "
        "help; the method 'ndf' follows what slides"
    )


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
        f"layer {layer} is 0 wherever layer {dead} is inactive{several}, where the gradient jumps: the "
        "flow is that of Filippov, and not unique backward in time"
    )


def _place(hidden: Sequence[int], number: int) -> tuple[int, int, int]:
    """Return the inactive layer, the layer and the neuron of a plateau, counted from 1."""
    for dead in range(1, len(hidden)):
        for layer in range(dead + 1, len(hidden) + 1):
            if number < hidden[layer - 1]:
                return dead, layer, number + 1
            number -= hidden[layer - 1]
    raise AssertionError("no such plateau")
