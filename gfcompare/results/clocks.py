"""The clocks of a trajectory: flow time, steps, evaluations, wall time."""

from __future__ import annotations

from typing import Literal, get_args

#: "gradients" is the cost: evaluations of the population gradient, or of the gradient at one sample point
#: for a method that never asks for the population gradient.
Clock = Literal["flow_time", "gradients", "wall_time"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)
