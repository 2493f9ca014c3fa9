"""A stored trajectory with all that the checks ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.diagnostics.replay import Declared
from gfcompare.integrators.base import FlowName, Integrator
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.status import Status
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.results.reading import frozen_of, network_of, parameters
from gfcompare.results.rebuild import Rebuilt
from gfcompare.theory.replays import Replays
from gfcompare.theory.states import States
from gfcompare.theory.tolerances import Sample, risk_change, step_error

Array = NDArray[np.float64]

#: Why some checks are left out for a seed.
NOT_REPLAYED = "the seed is beyond those from whose states the flow is re-integrated"

# Numbers that the checks of several seeds hold at a time: as many as fit into the cache of a core. (600 seeds
# of 1-4-1 with 16 states took 3.5 s of processor time, and 6.4 s with eight times as many numbers.)
_TOGETHER = 200_000
# Seeds of a block whose flows are re-integrated, which takes a tenth of a second each, or more.
_REPLAYED = 4


@dataclass(frozen=True, eq=False)
class StoredTrajectory:
    """One trajectory: T saved states of one method on one problem from one seed.

    Attributes
    ----------
    problem_name, method_name : in the study
    seed : of its initial network
    no_problem : why the problem could not be rebuilt, if it could not; otherwise empty
    method : the method; None if it could not be rebuilt, for the reason `no_method`
    on_manifold : whether the method lives on M
    states : the states, of several seeds together
    place : of the trajectory among them
    time, gradient_norm : ndarray, shape (T,)
    steps : ndarray, shape (T,)
        steps made until then
    status : how it ended
    partner : shape (P,), the initial network of the same seed under a method that does not live on M; None
        without any
    replayed : whether the flow is to be re-integrated from this trajectory's states
    """

    problem_name: str
    method_name: str
    seed: int
    no_problem: str
    method: Integrator | None
    no_method: str
    on_manifold: bool
    states: States
    place: int
    time: Array
    gradient_norm: Array
    steps: Array
    status: Status
    partner: Array | None
    replayed: bool

    @property
    def flow(self) -> FlowName | None:
        """The gradient flow that the method claims to follow."""
        return None if self.method is None else self.method.follows

    @property
    def no_flow(self) -> str:
        """Reason why the identities of a flow do not apply, if the method follows none."""
        if self.method is None:
            return f"the method cannot be rebuilt: {self.no_method}"
        return "the method does not claim to follow a gradient flow"

    @property
    def no_replay(self) -> str:
        """Reason why the flow is not re-integrated, if it is not; otherwise empty."""
        if self.flow is None:
            return self.no_flow
        if self.problem is None:
            return f"the problem cannot be rebuilt: {self.no_problem}"
        if len(self.time) < 2:
            return "fewer than two states are saved"
        if not self.replayed:
            return NOT_REPLAYED
        return ""

    @property
    def network(self) -> ReLUNetwork:
        """The architecture."""
        return self.states.network

    @property
    def frozen(self) -> tuple[str, ...]:
        """The groups of parameters that stayed where they were."""
        return self.states.frozen

    @property
    def sample(self) -> Sample:
        """The input measure as it is stored, on points."""
        return self.states.sample

    @property
    def problem(self) -> Problem | None:
        """The problem; None if it could not be rebuilt, for the reason `no_problem`."""
        return self.states.problem

    @cached_property
    def theta(self) -> Array:
        """The states, shape (T, P)."""
        return np.asarray(self.states.theta[self.place])

    @cached_property
    def risk(self) -> Array:
        """The stored risks, shape (T,)."""
        return np.asarray(self.states.risk[self.place])

    @property
    def free(self) -> NDArray[np.bool_]:
        """Mask of the parameters that move, shape (P,)."""
        return self.states.free

    @cached_property
    def derivative(self) -> Array:
        """D at each state, shape (T,): the root mean square over the inputs of |dN / dtheta|, theta free."""
        return np.asarray(self.states.derivative[self.place])

    @cached_property
    def tolerances(self) -> tuple[float, float]:
        """The relative and absolute tolerance of the method's steps; 0 if it has none."""
        rtol = float(getattr(self.method, "rtol", 0.0))
        atol = getattr(self.method, "atol", None)
        return rtol, rtol / 100 if atol is None else float(atol)

    @property
    def declared(self) -> Declared:
        """The solver and the tolerances of the method; the default ones if it does not say.

        Of a method with a solver of its own, tolerances as far as those of gfcompare's have them.
        """
        method, rtol = self.method, self.tolerances[0]
        if isinstance(method, FlowIntegrator):
            assert self.problem is not None
            solver = method.method_for(CountedProblem(self.problem, 1))
            return Declared(solver, rtol, None if method.relative_to_neurons else method.absolute)
        atol = float(getattr(method, "atol", None) or 0.0)
        return Declared("auto", min(max(rtol, 1e-14), 0.1), atol if atol > 0.0 else None)

    @cached_property
    def errors(self) -> Array:
        """Return the change that the tolerance allows between one state and the next, shape (T - 1,)."""
        return step_error(self.theta[:, self.free], self.steps, *self.tolerances)

    def risk_error(self, errors: Array) -> Array:
        """Return how far the risk of each later state is known if the state is up to `errors`, (T - 1,)."""
        return risk_change(self.risk[1:], self.derivative[1:], errors)

    @cached_property
    def rounding(self) -> Array:
        """Return the rounding error of the risk of each state in double precision, shape (T,)."""
        return np.asarray(self.states.rounding[self.place])

    @property
    def risk_defects(self) -> Array:
        """Return |risk of the state - risk that is stored|, shape (T,); only if there is a problem."""
        return np.asarray(self.states.risk_defects[self.place])

    @property
    def normalization(self) -> tuple[Array, Array]:
        """Return by how much normalisation changes the function, and the size of what is added up, (T,)."""
        difference, size = self.states.normalization
        return difference[self.place], size[self.place]

    @cached_property
    def replays(self) -> Replays:
        """The flow from each state to the time of the next; only if `no_replay` is empty."""
        assert self.problem is not None
        return Replays(self.problem, self.flow == "normalized", self)

    @property
    def end(self) -> float:
        """The last flow time."""
        return float(self.time[-1])


@dataclass(frozen=True, eq=False)
class _Stored:
    """The arrays of one method on one problem, read once: shape (M, T, ...), M seeds."""

    theta: Array
    time: Array
    risk: Array
    gradient_norm: Array
    steps: Array
    status: list[Status]

    @classmethod
    def read(cls, one: xr.Dataset) -> _Stored:
        """Return what the part of a group that belongs to a method holds."""
        return cls(
            theta=parameters(one),
            time=one["flow_time"].values,
            risk=one["risk"].values,
            gradient_norm=one["gradient_norm"].values,
            steps=one["steps"].values.astype(np.float64),
            status=[Status(code) for code in one["status"].values.tolist()],
        )


def stored_blocks(
    tree: xr.DataTree, rebuilt: Rebuilt, replayed: int | None
) -> Iterator[list[StoredTrajectory]]:
    """Yield every trajectory of a result in blocks, each of one method and problem.

    Parameters
    ----------
    tree : the result
    rebuilt : its problems and methods
    replayed : of how many seeds, the first ones, the flow is to be re-integrated; None for all
    """
    for name, node in tree.children.items():
        data = node.to_dataset()
        network, frozen = network_of(data), frozen_of(data)
        problem, no_problem = rebuilt.problem(str(name))
        sample = Sample.stored(data)
        off = np.flatnonzero(data["on_manifold"].values == 0)
        starts = parameters(data.isel(integrator=int(off[0]), time=0)) if off.size else None
        seeds = data["seed"].values.tolist()
        for number, label in enumerate(data["integrator"].values):
            method, no_method = rebuilt.method(str(label))
            one = data.isel(integrator=number)
            on_manifold = bool(one["on_manifold"])
            stored = _Stored.read(one)
            there = np.asarray(np.isfinite(stored.theta).all(axis=-1))
            for block in _blocks(there, sample, network, len(seeds) if replayed is None else replayed):
                states = States(
                    network,
                    frozen,
                    sample,
                    problem,
                    *(
                        # A block is of several seeds only if they have all states.
                        values[block] if len(block) > 1 else values[block[0]][there[block[0]]][None]
                        for values in (stored.theta, stored.risk)
                    ),
                )
                yield [
                    StoredTrajectory(
                        problem_name=str(name),
                        method_name=str(label),
                        seed=int(seeds[m]),
                        no_problem=no_problem,
                        method=method,
                        no_method=no_method,
                        on_manifold=on_manifold,
                        states=states,
                        place=place,
                        time=stored.time[m][there[m]],
                        gradient_norm=stored.gradient_norm[m][there[m]],
                        steps=stored.steps[m][there[m]],
                        status=stored.status[m],
                        partner=None if starts is None else _finite(starts[m]),
                        replayed=replayed is None or m < replayed,
                    )
                    for place, m in enumerate(block)
                ]


def _blocks(
    there: NDArray[np.bool_], sample: Sample, network: ReLUNetwork, replayed: int
) -> Iterator[list[int]]:
    """Yield the places of all seeds in their order: several at a time where all of them have all states.

    As many as the caches of a core hold, at the points of the input measure; few of those that are replayed,
    so that all cores have something to do.

    Parameters
    ----------
    there : shape (M, T), whether a state is there
    replayed : number of seeds, the first ones, from whose states the flow is re-integrated
    """
    numbers = there.shape[1] * len(sample.fewer.points) * max(network.widths) * network.outputs
    whole: list[bool] = np.asarray(there.all(axis=1)).tolist()
    most = max(1, _TOGETHER // numbers)
    for first, part, size in ((0, whole[:replayed], _REPLAYED), (replayed, whole[replayed:], most)):
        for block in _runs(part, min(size, most)):
            yield [first + m for m in block]


def _runs(whole: list[bool], most: int) -> Iterator[list[int]]:
    run: list[int] = []
    for m, complete in enumerate(whole):
        if run and (not complete or len(run) == most):
            yield run
            run = []
        if complete:
            run.append(m)
        else:
            yield [m]
    if run:
        yield run


def _finite(theta: Array) -> Array | None:
    return theta if np.isfinite(theta).all() else None
