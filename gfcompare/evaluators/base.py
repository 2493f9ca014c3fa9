"""The interface of evaluators, used by `Problem`."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import InputError
from gfcompare.kernels import growth, ndf, ndf_dense, points_descent
from gfcompare.kernels import points as points_kernel
from gfcompare.kernels.flow import Flow, FlowSaves, FlowSettings, FlowTables
from gfcompare.network import ReLUNetwork
from gfcompare.system import threads

if TYPE_CHECKING:
    from gfcompare.evaluators.parts import ProblemParts
    from gfcompare.evaluators.quadrature import Rule, SlicesRule

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Streams = NDArray[np.uint64]
#: Draws points from the measure, with the target there: (streams (M, 4), advanced in place; count) ->
#: points (M, count, d), values (M, count, K).
Sampler = Callable[[Streams, int], tuple[Array, Array]]

#: No array of activation derivatives or pre-activations, for `kernels.points`.
NOTHING = np.empty((0, 0))

# Sampled points that a thread holds at a time while steps are made: they stay in its cache.
_POINTS_HELD = 32_768

# Slices of a batch of flows for each thread: one trajectory may take twenty times as long as another.
_FLOW_PIECES = 8


@dataclass(frozen=True)
class Applicability:
    """Applicability of an evaluator to a problem, with the reason.

    Attributes
    ----------
    reason : in words; what the problem has that the evaluator needs, or what it lacks
    accuracy : in words, how exact the evaluator is here; empty if it does not apply
    build : returns the evaluator; None if it does not apply
    """

    reason: str
    accuracy: str = ""
    build: Callable[[], Evaluator] | None = None

    @property
    def applies(self) -> bool:
        """True if the evaluator can be built."""
        return self.build is not None

    @classmethod
    def no(cls, reason: str) -> Applicability:
        """Return that the evaluator does not apply, and why."""
        return cls(reason)

    @classmethod
    def yes(cls, reason: str, accuracy: str, build: Callable[[], Evaluator]) -> Applicability:
        """Return that the evaluator applies, how exact it is, and how it is built."""
        return cls(reason, accuracy, build)


class Evaluator(abc.ABC):
    """Risk, gradients and descent for rows of parameters, checked and contiguous.

    Every array `thetas` has shape (M, P), is float64 and C-contiguous. Nothing is counted here. A subclass
    says with `measures` and `applies` for which problems it is; `gfcompare.evaluators.order` has the order
    in which evaluators are tried.

    Parameters
    ----------
    network : the architecture
    sampler : draws points from the measure
    """

    #: What it is called in messages and in `Problem.evaluation`.
    name: ClassVar[str]
    #: Classes of the measures that it is for: it is not asked about problems with another one.
    measures: ClassVar[tuple[type[Any], ...]]
    #: Whether it is exact to rounding.
    exact: ClassVar[bool] = True
    #: Whether `hessians` is there.
    has_hessian: ClassVar[bool] = False
    #: Whether flows are advanced with it by direct linear algebra too (`kernels.ndf_dense`).
    has_dense_flow: ClassVar[bool] = False

    @classmethod
    @abc.abstractmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return whether it applies to a problem whose measure is one of `measures`, and why or why not."""

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (inspect.getdoc(cls) or "").split("\n", 1)[0]

    def __init__(self, network: ReLUNetwork, sampler: Sampler) -> None:
        self.network = network
        self.sampler = sampler
        self._widths = np.array(network.widths, dtype=np.int64)

    @abc.abstractmethod
    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""

    def load_risks(self) -> None:
        """Compile, or load from the cache, all that `risks` may need."""
        self.risks(np.zeros((1, self.network.parameter_count)))

    @abc.abstractmethod
    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""

    @abc.abstractmethod
    def data(self) -> Iterable[Array]:
        """Return the arrays that determine risk and gradient, besides the network."""

    @property
    @abc.abstractmethod
    def cost(self) -> float:
        """Roughly the operations of a gradient."""

    @property
    def rule(self) -> Rule | SlicesRule | None:
        """The quadrature rule in use; None if there is none."""
        return None

    def comparisons(self) -> Sequence[Evaluator]:
        """Return evaluators by finer rules, to which that of a quadrature is compared; the finest first."""
        raise InputError("this problem is integrated exactly: there is no quadrature error.")

    def hessians(self, thetas: Array) -> Array:
        """Return the Hessian of the risk at each row, shape (M, P, P); only if `has_hessian`."""
        raise InputError(f"the evaluator {self.name!r} has no exact Hessian.")

    def flow_data(self) -> Any:
        """Return what `kernels.velocity` takes the velocity of a flow from; None if the velocity jumps."""
        return None

    def advance_flow(
        self,
        tables: FlowTables,
        times: Array,
        saves: FlowSaves,
        ends: Counts,
        settings: FlowSettings,
        dense: bool,
    ) -> None:
        """Integrate a flow through times, shape (B,), in compiled code.

        `tables`, `saves` and `ends`, (M,), are moved on in place; see `kernels.ndf.advance`, or with direct
        linear algebra `kernels.ndf_dense.advance`.
        """
        stage = ndf_dense if dense else ndf
        flow = Flow(self.flow_data(), self._widths, settings)
        if not times.flags.carray:  # read-only or with gaps, they would be another type, to compile for
            times = times.copy()

        def work(rows: slice) -> None:
            scratch = stage.scratch(flow, tables.differences.shape[2])
            stage.advance(flow, tables.rows(rows), times, saves.rows(rows), ends[rows], *scratch)

        self._share(len(ends), 1000 * self.cost, work, pieces=_FLOW_PIECES)

    def growth_rate(self, y: Array, bound: float, normalize: bool) -> tuple[float, int]:
        """Return the growth rate of deviations at y, (P,), 0 if below `bound`; and the gradients taken."""
        rate, _, taken = growth.measure(self.flow_data(), self._widths, y, bound, normalize)
        return rate, taken

    def dormant_rates(self, theta: Array, logs: Array, normalize: bool) -> Array:
        """Return the rates of the dormant neurons at theta, (P,), shape (H,); see `kernels.dormant`."""
        return np.zeros_like(logs)

    def restore_dormant(self, thetas: Array, logs: Array) -> None:  # noqa: B027 (most have none)
        """Put the dormant neurons at each row to where they are, in place, with `logs` of shape (M, H)."""

    def batch_gradients(self, thetas: Array, points: Array, values: Array) -> Array:
        """Return the mean gradient over row m of `points`, (M, n, d), with targets (M, n, K), at each row."""
        results, risks = np.empty_like(thetas), np.empty(len(thetas))
        weights = np.full(points.shape[1], 1.0 / points.shape[1])
        points_kernel.evaluate(
            self._widths, thetas, points, values, weights, NOTHING, NOTHING, risks, results
        )
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        taken = np.zeros(len(thetas), dtype=np.int64)
        inside = np.arange(len(thetas))
        rows = thetas.copy()
        for size in step_sizes:
            gradient = self.gradients(rows)
            if normalize:
                gradient = self.network.project(rows, gradient)
            rows = rows - size * gradient
            if normalize:
                rows = self.network.retract(rows)
            taken[inside] += 1
            within = _within(rows, bound)
            if not within.all():
                thetas[inside] = rows
                rows, inside = np.ascontiguousarray(rows[within]), inside[within]
            if not inside.size:
                return taken
        thetas[inside] = rows
        return taken

    def descend_sampled(
        self,
        thetas: Array,
        step_sizes: Array,
        *,
        batch_size: int,
        streams: Streams,
        normalize: bool,
        bound: float,
    ) -> Counts:
        """Make steps of stochastic gradient descent in place, with streams (M, 4) for the batches."""
        taken = np.zeros(len(thetas), dtype=np.int64)
        weights = np.full(batch_size, 1.0 / batch_size)

        def work(rows: slice) -> None:
            inside = np.arange(rows.start, rows.stop)
            block = max(_POINTS_HELD // max(batch_size * len(inside), 1), 1)
            for first in range(0, len(step_sizes), block):
                sizes, own = step_sizes[first : first + block], streams[inside]
                points, values = self.sampler(own, len(sizes) * batch_size)
                streams[inside] = own
                moved, made = thetas[inside], np.zeros(len(inside), dtype=np.int64)
                points_descent.descend(
                    self._widths,
                    moved,
                    sizes,
                    points,
                    values,
                    weights,
                    batch_size,
                    normalize,
                    bound,
                    made,
                )
                thetas[inside] = moved
                taken[inside] += made
                inside = inside[_within(moved, bound)]
                if not inside.size:
                    return

        cost = 3.0 * batch_size * len(step_sizes) * self.network.parameter_count
        self._share(len(thetas), cost, work)
        return taken

    def _share(self, rows: int, cost: float, work: Callable[[slice], None], pieces: int = 1) -> None:
        """Call `work` on slices of the rows, on threads if a row's cost, in operations, is worth it."""
        if rows == 1 or rows * cost < 200_000:
            work(slice(0, rows))
        else:
            threads.share_rows(rows, work, pieces=pieces)


def _within(thetas: Array, bound: float) -> NDArray[np.bool_]:
    """Return a mask of the rows that are finite and within the bound."""
    return np.asarray(np.einsum("mp,mp->m", thetas, thetas) <= bound * bound)
