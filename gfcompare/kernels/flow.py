"""Values handed from the method to the kernels that integrate a flow.

`Flow` is what all trajectories share, `FlowTables` are where M of them are, `FlowSaves` where they were at
times to be saved, `Trajectory` is where one of them is, `Path` is one's last step.
"""

from typing import Any, NamedTuple

import numpy as np


class FlowSettings(NamedTuple):
    """Settings of the integration of a flow.

    Attributes
    ----------
    rtol, atol : tolerances of a step, the absolute one relative to sizes (`tolerances`)
    most_steps : steps after which a trajectory ends
    max_rejected : rejected steps after which direct linear algebra takes over
    max_step_size : step size from which on it does, in units of 1 / the fastest rate of the flow
    normalize : the normalised flow
    dense : whether there is an exact Hessian, and it is small enough
    bound : the largest |y|
    """

    rtol: float
    atol: float
    most_steps: int
    max_rejected: int
    max_step_size: float
    normalize: bool
    dense: bool
    bound: float


class Flow(NamedTuple):
    """A flow of networks with given widths.

    Attributes
    ----------
    data : line.LineData, velocity.Shallow, plane.PlaneData, cube.CubeData, gaussian_gradient.GaussianData or,
        for more hidden layers, line_set.LineSet
    widths : (L + 1,) int64
    settings : what it is integrated with
    """

    data: Any
    widths: np.ndarray
    settings: FlowSettings


class Trajectory(NamedTuple):
    """One trajectory: a row of each array of `FlowTables`."""

    differences: np.ndarray
    clock: np.ndarray
    counts: np.ndarray
    balances: np.ndarray
    neurons: np.ndarray
    plateaus: np.ndarray
    output_size: float


class FlowTables(NamedTuple):
    """States of M trajectories of a flow.

    Attributes
    ----------
    differences : ndarray, shape (M, 8, P)
        backward differences; row 0 is the solver's variable y at the end of the last step, row 1 at the start
        of all the velocity times the step size
    clocks : ndarray, shape (M, 6)
        flow time reached by the steps, step size, smallest step so far; the step size from which on a growth
        rate is looked for, and the longest one allowed by the last that was found; the fastest rate when that
        was looked for
    counts : ndarray of int64, shape (M, 9)
        order, steps made with this order and size, steps, gradients, rejected steps; 1 if direct linear
        algebra is used, else 0; steps when a growth rate was last found, or motion looked at; steps that
        growth has limited; 1 if Newton's method leaves less of an error than the tolerance asks for
    balances : ndarray, shape (M, sum of hidden)
        balancedness of each hidden neuron at the start
    dormant : ndarray, shape (M, 7, H_1)
        what is remembered of neurons of the first layer: logarithms of the distances of those that are set
        aside, 0 for others, at the end of the last step, at the time last read off, and at the beginning of
        the last step (`dormant`); then how deviations of breakpoints have grown (`breakpoint_growth`)
    plateaus : ndarray, shape (M, 2, N)
        of each plateau of a deep network: not 0 while the flow slides on it; and the flow time when it
        first began to, 0 for never (`plateau_sliding`); N is 0 with one hidden layer
    output_sizes : ndarray, shape (M,)
        size of what the network has to represent, see `tolerances`
    """

    differences: np.ndarray
    clocks: np.ndarray
    counts: np.ndarray
    balances: np.ndarray
    dormant: np.ndarray
    plateaus: np.ndarray
    output_sizes: np.ndarray

    def moving(self, steps: bool) -> "FlowTables":
        """Return tables that may be moved on: a copy of what changes, less if no step is needed."""
        if not steps:  # the time is within the last step: only what is read off there changes
            return self._replace(dormant=self.dormant.copy())
        return self._replace(
            differences=self.differences.copy(),
            clocks=self.clocks.copy(),
            counts=self.counts.copy(),
            dormant=self.dormant.copy(),
            plateaus=self.plateaus.copy(),
        )

    def trajectory(self, m: int) -> Trajectory:
        """Return one of the trajectories, moved on in place together with these."""
        return Trajectory(*(array[m] for array in self))

    def rows(self, chosen: slice) -> "FlowTables":
        """Return some of the trajectories, moved on in place together with these."""
        return FlowTables(*(array[chosen] for array in self))


class FlowSaves(NamedTuple):
    """Where M trajectories of a flow were at B times.

    Attributes
    ----------
    y : ndarray, shape (M, B, P)
        the solver's variable
    marks : ndarray, shape (M, B, 5)
        steps, gradients and rejected steps until then, the smallest step, and 1 if a saddle had been passed
        within the tolerance (`breakpoint_growth.UNDECIDED`) or the flow had slid (`plateau_sliding.SINCE`)
    reached : ndarray of int64, shape (M,)
        how many of the times have been reached
    """

    y: np.ndarray
    marks: np.ndarray
    reached: np.ndarray

    @classmethod
    def empty(cls, trajectories: int, times: int, parameters: int) -> "FlowSaves":
        """Return those of trajectories that have reached no time yet."""
        return cls(
            np.empty((trajectories, times, parameters)),
            np.zeros((trajectories, times, 5)),
            np.zeros(trajectories, dtype=np.int64),
        )

    def rows(self, chosen: slice) -> "FlowSaves":
        """Return those of some of the trajectories, written to in place together with these."""
        return FlowSaves(*(array[chosen] for array in self))


class Path(NamedTuple):
    """The interpolant of a trajectory over its last step.

    Attributes
    ----------
    differences : (8, P), at the end of the step
    order : of the step
    size : of the step
    """

    differences: np.ndarray
    order: int
    size: float
