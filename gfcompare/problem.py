"""A training problem: a network, a target function and an input measure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.component import check_instance
from gfcompare.components.errors import InputError
from gfcompare.evaluators.base import NOTHING, Applicability, Counts, Evaluator, Streams
from gfcompare.evaluators.curvature import Curvature, differences, extreme_eigenvalues
from gfcompare.evaluators.evaluation import Evaluation
from gfcompare.evaluators.frozen import FrozenParameters, frozen_groups
from gfcompare.evaluators.html_repr import architecture, evaluated, in_words, problem_table
from gfcompare.evaluators.on_points import OnPoints
from gfcompare.evaluators.order import choose
from gfcompare.evaluators.parts import ProblemParts, finite_values
from gfcompare.evaluators.preintegration import Preintegration
from gfcompare.evaluators.quadrature import SAFETY, Quadrature, Rule, SlicesRule
from gfcompare.kernels.flow import FlowSaves, FlowSettings, FlowTables
from gfcompare.measures import BoxMeasure, LineMeasure, Measure, PointMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.targets import Labels, Target

Array = NDArray[np.float64]


class Problem:
    """The risk L(theta) = integral of |N_theta(x) - f(x)|^2 mu(dx) and its generalised gradient.

    The generalised gradient (Jentzen, Riekert, arXiv:2107.04479) is the limit of the gradients of
    smoothings of the ReLU: what back-propagation gives with derivative 0 at 0. A problem knows the best way
    to evaluate itself:

    - one input, a measure with a density: everything is integrated exactly, for any depth;
    - two or three inputs, uniform on a box, or normal inputs in any dimension, one hidden layer: exactly, for
      many targets;
    - other measures with a density, several inputs: exactly along one coordinate, or three of four or five,
      with a quadrature rule in the others, which makes the risk smooth in theta;
    - finitely many points: a sum over them. This risk is not smooth, and its gradient flow is the generalised
      (Filippov) flow.

    Parameters
    ----------
    network : the architecture, with d inputs and K outputs
    target : the function to be learnt, with as many
    measure : the input measure
    quadrature : the rule for a measure on a box; by default chosen by estimated accuracy
    frozen : groups of parameters that stay where they are: any of "weight_1", "bias_1", ..., and "biases",
        all of them. Their gradient is 0 for every method, and so are their rows and columns of the Hessian.
        A committee machine has frozen = ("biases", "weight_2")

    Raises
    ------
    InputError
        if network, target and measure disagree on d or K, or a value of the target is no finite number

    Examples
    --------
    >>> import gfcompare as gfc
    >>> network = gfc.ReLUNetwork((1, 1, 1))
    >>> problem = gfc.Problem(network, gfc.targets.Constant(0.0), gfc.measures.Uniform(0.0, 1.0))
    >>> theta = [1.0, 0.0, 1.0, 0.0]  # N(x) = x on [0, 1]
    >>> print(f"{problem.risk(theta):.6f}")  # the integral of x^2
    0.333333
    >>> print(problem.gradient(theta).round(6))
    [0.666667 1.       0.666667 1.      ]
    """

    def __init__(
        self,
        network: ReLUNetwork,
        target: Target,
        measure: Measure,
        quadrature: Quadrature | None = None,
        *,
        frozen: Iterable[str] = (),
    ) -> None:
        self._network: ReLUNetwork = check_instance(network, ReLUNetwork, "the network")
        self._target: Target = check_instance(target, Target, "the target")
        self._measure: Measure = check_instance(measure, Measure, "the measure")
        if quadrature is not None:
            check_instance(quadrature, Quadrature, "the quadrature")
            if not isinstance(measure, BoxMeasure):
                raise InputError(_NO_QUADRATURE.format(where=_where(measure)))
        _check_inputs(network, target, measure)
        self._frozen = frozen_groups(network, frozen)
        self._parts = ProblemParts(network, target, measure, quadrature)
        if not isinstance(measure, LineMeasure | BoxMeasure | PointMeasure):
            _ = self._choice  # refused at once where no evaluator applies
        outputs = self._parts.outputs()
        if outputs != network.outputs:
            raise InputError(
                f"the target has K = {outputs} outputs, the network K = {network.outputs}: "
                f"use widths {[*network.widths[:-1], outputs]}, or another target."
            )

    def __getstate__(self) -> dict[str, object]:
        # How the evaluator is built may be a function of any kind: it is found again when needed.
        return {key: value for key, value in self.__dict__.items() if key != "_choice"}

    @cached_property
    def _choice(self) -> tuple[Applicability, Evaluation]:
        """The evaluator, unbuilt, and what is to be said of it; found when first needed."""
        return choose(self._parts)

    @cached_property
    def _whole(self) -> Evaluator:
        """The evaluator of the risk as a function of all parameters."""
        build = self._choice[0].build
        assert build is not None  # it applies
        return build()

    @cached_property
    def _evaluator(self) -> Evaluator:
        return FrozenParameters(self._whole, self.free) if self._frozen else self._whole

    @cached_property
    def frozen(self) -> tuple[str, ...]:
        """The groups of parameters that stay where they are."""
        return self._frozen

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """Mask of the parameters that move, shape (P,)."""
        return ~self._network.members(self._frozen)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to change what the problem is: what is computed of it is remembered."""
        if not name.startswith("_"):
            raise AttributeError(f"a problem's {name} cannot be changed: make another problem.")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        """Return the parts of the problem in a line, and how its risk is evaluated."""
        return (
            f"<Problem: network {architecture(self._network)}; target {in_words(self._target)}; "
            f"measure {in_words(self._measure)}; {evaluated(self._measure, self.evaluation)}"
            f"{'; frozen: ' + ', '.join(self._frozen) if self._frozen else ''}>"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        pieces = self._parts.pieces if isinstance(self._measure, LineMeasure) else None
        return problem_table(self._parts, self.evaluation, pieces)

    @cached_property
    def quadrature(self) -> Quadrature | None:
        """Return the requested accuracy of the quadrature rule on a box; None where none is needed."""
        if self.evaluation.name != Preintegration.name:
            return None
        return self._parts.quadrature or Quadrature()

    @cached_property
    def rule(self) -> Rule | SlicesRule | None:
        """The quadrature rule in use on a box, with its estimated error; None where none is needed."""
        return self._evaluator.rule

    @cached_property
    def evaluation(self) -> Evaluation:
        """Name and exactness of the problem's evaluator, and why not one that is tried before it."""
        return self._choice[1]

    @property
    def kind(self) -> str:
        """The way risk and gradient are evaluated: which compiled kernels it needs."""
        return f"{type(self._whole).__name__}, {min(self._network.depth, 3)} layers"

    @cached_property
    def smooth(self) -> bool:
        """True if the gradient is continuous along a flow: not for a measure on finitely many points."""
        return not isinstance(self._measure, PointMeasure)

    @cached_property
    def digest(self) -> str:
        """A hash of everything that determines risk, gradient and test risk besides the network."""
        digest = hashlib.sha256()
        held_out = self.test_points if self.has_test else ()
        for array in (*self._evaluator.data(), *held_out):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def network(self) -> ReLUNetwork:
        """The network's architecture."""
        return self._network

    @cached_property
    def target(self) -> Target:
        """The target function."""
        return self._target

    @cached_property
    def measure(self) -> Measure:
        """The input measure."""
        return self._measure

    @property
    def evaluated_by(self) -> type[Evaluator]:
        """The class of the evaluator."""
        return type(self._whole)

    @cached_property
    def target_pieces(self) -> PiecewisePolynomial:
        """The target on the measure's interval, as the piecewise polynomial that is integrated."""
        return self._parts.pieces

    @cached_property
    def density(self) -> PiecewisePolynomial:
        """The density of the measure, as the piecewise polynomial that is integrated."""
        return self._parts.density

    def risk(self, theta: ArrayLike) -> Array:
        """Return the risk, shape (...), at theta, shape (..., P), in units of output squared."""
        rows, leading = self._network.rows(theta)
        return self._evaluator.risks(rows).reshape(leading)

    def load_risk(self) -> None:
        """Compile, or load from the cache, all that `risk` may need, so that no clock sees it."""
        self._evaluator.load_risks()

    def gradient(self, theta: ArrayLike) -> Array:
        """Return the generalised gradient of the risk, shape (..., P), at theta, shape (..., P)."""
        rows, _ = self._network.rows(theta)
        return self._evaluator.gradients(rows).reshape(np.shape(theta))

    def gradient_with(self, theta: Array, derivatives: Array) -> Array:
        """Return the gradient at theta, shape (P,), with the activations held, on finitely many points.

        Parameters
        ----------
        theta : shape (P,)
        derivatives : shape (sum of H_k, N), of each activation at each point, in place of 1 where
            the pre-activation is positive and 0 elsewhere
        """
        return np.where(self.free, self._on_points.gradients(theta[None], derivatives)[0], 0.0)

    def pre_activations(self, theta: Array, derivatives: Array = NOTHING) -> Array:
        """Return the pre-activations, (sum of H_k, N), of all hidden neurons on finitely many points."""
        return self._on_points.pre_activations(theta, derivatives)

    @property
    def _on_points(self) -> OnPoints:
        evaluator = self._whole
        if not isinstance(evaluator, OnPoints):
            raise InputError("activations at points need a measure on points.")
        return evaluator

    def sample_gradient(self, theta: ArrayLike, batch_size: int, rng: np.random.Generator) -> Array:
        """Return an unbiased estimate of the gradient from a fresh batch for each theta.

        Parameters
        ----------
        theta : shape (..., P)
        batch_size : points drawn from the measure for each theta
        rng : source of randomness
        """
        check_instance(rng, np.random.Generator, "rng")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}.")
        rows, _ = self._network.rows(theta)
        if isinstance(self._measure, PointMeasure):
            chosen = self._measure.indices(rng.random((len(rows), batch_size)))
            points, values = self._measure.points[chosen], self._parts.values[chosen]
        else:
            shape = (len(rows), batch_size, self._network.inputs)
            points = self._measure.sample(rng, shape[:2]).reshape(shape)
            values = self._values_at(points.reshape(-1, shape[2]))
            values = values.reshape(*shape[:2], self._network.outputs)
        return self._evaluator.batch_gradients(rows, points, values).reshape(np.shape(theta))

    def _values_at(self, points: Array) -> Array:
        """Return the target, shape (n, K), at points of shape (n, d)."""
        values = (
            self._parts.pieces(points[:, 0])
            if isinstance(self._measure, LineMeasure)
            else self._target.at(points)
        )
        return np.asarray(values, dtype=np.float64)

    def hessian(self, theta: ArrayLike) -> Array:
        """Return the Hessian of the risk, shape (..., P, P), at theta, shape (..., P).

        Exact, where `has_hessian`; elsewhere use `hessian_product` or `curvature`.
        """
        if not self.has_hessian:
            raise InputError(
                "the exact Hessian is known for widths [1, H, K] and a measure with a density, and for "
                "[d, H, K] where the evaluator is 'shallow-plane', 'shallow-cube' or 'gaussian-inputs'; "
                "hessian_product and curvature work for every problem."
            )
        rows, leading = self._network.rows(theta)
        count = self._network.parameter_count
        return self._evaluator.hessians(rows).reshape(*leading, count, count)

    def hessian_product(self, theta: ArrayLike, vector: ArrayLike) -> Array:
        """Return the Hessian times a vector, both of shape (..., P).

        Exact where `hessian` is; otherwise by central differences of exact gradients (see
        `gfcompare.evaluators.curvature.differences`), to about eight digits.
        """
        rows, leading = self._network.rows(theta)
        given = self._network.check(vector)
        try:
            vectors = np.broadcast_to(given, (*leading, self._network.parameter_count))
        except ValueError:
            raise InputError(
                f"vector must have the shape of theta, {np.shape(theta)}, got {given.shape}."
            ) from None
        products = np.empty_like(rows)
        for m, (row, v) in enumerate(zip(rows, vectors.reshape(rows.shape), strict=True)):
            products[m] = self._products(row, v[None])[0]
        return products.reshape(*leading, self._network.parameter_count)

    def curvature(self, theta: ArrayLike, k: int = 1) -> Curvature:
        """Return the k smallest and k largest eigenvalues of the Hessian at theta, shape (P,).

        It is the Hessian of the risk as a function of the free parameters: zeros of frozen ones do not count.
        All eigenvalues are computed for up to 400 of them; beyond, Lanczos' method (ARPACK) finds the extreme
        ones.
        """
        rows, leading = self._network.rows(theta)
        if leading:
            count = self._network.parameter_count
            raise InputError(f"curvature needs theta of shape ({count},), got {np.shape(theta)}.")
        free = np.flatnonzero(self.free)
        most = max(len(free) // 2, 1)
        if not 1 <= k <= most:
            raise InputError(f"k must lie between 1 and {most}, got {k}.")
        if self.has_hessian:
            hessian = self._evaluator.hessians(rows)[0][np.ix_(free, free)]
            return extreme_eigenvalues(lambda v: v @ hessian, len(free), k)

        def products(vectors: Array) -> Array:
            whole = np.zeros((len(vectors), len(self.free)))
            whole[:, free] = vectors
            return self._products(rows[0], whole)[:, free]

        return extreme_eigenvalues(products, len(free), k)

    def _products(self, theta: Array, vectors: Array) -> Array:
        """Return the Hessian at theta, (P,), times each of the vectors, (n, P)."""
        if self.has_hessian:
            return np.asarray(vectors @ self._evaluator.hessians(theta[None])[0])
        return differences(lambda rows: self._evaluator.gradients(rows), theta, vectors)

    @cached_property
    def has_test(self) -> bool:
        """True if the measure holds points out, on which `test_risk` is defined."""
        return isinstance(self._measure, PointMeasure) and self._measure.test is not None

    @property
    def values_on_points(self) -> Array:
        """Return the target values at the points of a measure on points, shape (N, K)."""
        return self._parts.values

    @property
    def test_points(self) -> tuple[Array, Array]:
        """Points held out, shape (n, d), and what is to be learnt there, shape (n, K)."""
        held_out = self._measure.test if isinstance(self._measure, PointMeasure) else None
        if held_out is None:
            raise InputError("the measure holds no points out: there is no test risk.")
        points, values = held_out
        return points, values if isinstance(self._target, Labels) else finite_values(self._target, points)

    @cached_property
    def _test(self) -> OnPoints:
        points, values = self.test_points
        weights = np.full(len(points), 1.0 / len(points))
        return OnPoints(self._network, self._parts.draw, points, values, weights)  # nothing is drawn

    def test_risk(self, theta: ArrayLike) -> Array:
        """Return the mean of |N - y|^2 over the points held out, shape (...), at theta, shape (..., P)."""
        rows, leading = self._network.rows(theta)
        return self._test.risks(rows).reshape(leading)

    @cached_property
    def _comparisons(self) -> tuple[Evaluator, ...]:
        return tuple(self._evaluator.comparisons())

    def quadrature_error(self, theta: ArrayLike) -> Array:
        """Return an estimated bound of the relative error of the gradient on a box, shape (...).

        The largest difference to the gradients by rules with more nodes, times `quadrature.SAFETY`, over the
        norm of the finest. That factor, 2, was set beforehand; 99.7 % of 915 errors of random and trained
        networks were measured below the estimate (`python -m benchmarks.quadrature_coverage`). It is no
        proof: what lies between the nodes of every rule is not seen.
        """
        rows, leading = self._network.rows(theta)
        own = self._evaluator.gradients(rows)
        others = [evaluator.gradients(rows) for evaluator in self._comparisons]
        largest = np.max([np.linalg.norm(own - other, axis=1) for other in others], axis=0)
        error = SAFETY * largest
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = np.where(error == 0, error, error / np.linalg.norm(others[0], axis=1))
        return np.asarray(relative).reshape(leading)

    @cached_property
    def has_compiled_flow(self) -> bool:
        """True if `advance_flow` integrates the flows of this problem: under a measure with a density."""
        return self._evaluator.flow_data() is not None

    @cached_property
    def has_hessian(self) -> bool:
        """True if `hessian` is there: with one hidden layer and an evaluator that is exact, mostly."""
        return self._evaluator.has_hessian

    @cached_property
    def has_dense_flow(self) -> bool:
        """True if `advance_flow` solves linear systems directly too, with the exact Hessian."""
        return self._evaluator.has_dense_flow

    def advance_flow(
        self,
        tables: FlowTables,
        times: Array,
        saves: FlowSaves,
        ends: Counts,
        settings: FlowSettings,
        *,
        dense: bool = False,
    ) -> None:
        """Integrate the standard or the normalised flow of M trajectories through times in compiled code.

        Numerical differentiation formulas of order 1 to 5, Newton's method, GMRES: `gfcompare.kernels.ndf`.

        Parameters
        ----------
        tables : where they are; moved on in place
        times : shape (B,), increasing flow times
        saves : what is saved at each of them; a trajectory goes on to the first that it has not reached
        ends : shape (M,), 0 for those that go on; receives the `Status` of those that cannot, or a code of
            `kernels.ndf` or `kernels.ndf_dense` that asks for a decision
        settings : tolerances and limits
        dense : solve linear systems directly, with the exact Hessian, which must be there
        """
        if not self.has_compiled_flow:
            raise InputError("compiled flows need a measure with a density.")
        self._evaluator.advance_flow(tables, times, saves, ends, settings, dense)

    def growth_rate(self, y: Array, bound: float, *, normalize: bool) -> tuple[float, int]:
        """Return how fast deviations of a flow grow at y, 0 if more slowly than `bound`.

        Parameters
        ----------
        y : shape (P,), for the normalised flow its rows may have any norm
        bound : growth rates below it are not looked for, in units of risk / parameter^2
        normalize : the normalised flow

        Returns
        -------
        rate : the largest that Lanczos' method finds
        gradients : that it took
        """
        return self._evaluator.growth_rate(self._network.check(y), bound, normalize)

    def dormant_rates(self, theta: Array, logs: Array, *, normalize: bool) -> Array:
        """Return how fast ln l of each dormant neuron changes at theta, shape (P,); see `kernels.dormant`.

        Parameters
        ----------
        theta : shape (P,), for the normalised flow on M
        logs : shape (H,), ln l of dormant neurons, 0 of others
        normalize : the normalised flow

        Returns
        -------
        ndarray, shape (H,), in units of 1 / flow time, 0 for others
        """
        return self._evaluator.dormant_rates(self._network.check(theta), logs, normalize)

    def restore_dormant(self, thetas: Array, logs: Array) -> None:
        """Put the dormant neurons of each theta, (M, P), to where they are, in place; `logs` is (M, H)."""
        self._evaluator.restore_dormant(thetas, logs)

    def descend(
        self, theta: Array, step_sizes: Array, *, normalize: bool = False, bound: float = np.inf
    ) -> tuple[Array, Counts]:
        """Make many steps of gradient descent in compiled code.

        Parameters
        ----------
        theta : shape (M, P)
        step_sizes : shape (n,), of the n steps to make
        normalize : step along the projected gradient on M, then renormalise each hidden row
        bound : a trajectory stops at the step that takes |theta| beyond it or to NaN

        Returns
        -------
        theta : shape (M, P), after the steps
        taken : shape (M,), the steps made
        """
        rows = self._network.check(theta).copy()
        taken = self._evaluator.descend(rows, step_sizes, normalize=normalize, bound=bound)
        return rows, taken

    def descend_sampled(
        self,
        theta: Array,
        step_sizes: Array,
        *,
        batch_size: int,
        streams: Streams,
        normalize: bool = False,
        bound: float = np.inf,
    ) -> tuple[Array, Counts, Streams]:
        """Make many steps of stochastic gradient descent in compiled code, each on a fresh batch.

        As `descend`; `streams`, shape (M, 4), are the states of the random streams, one a trajectory,
        and are returned advanced.
        """
        rows, states = self._network.check(theta).copy(), streams.copy()
        taken = self._evaluator.descend_sampled(
            rows, step_sizes, batch_size=batch_size, streams=states, normalize=normalize, bound=bound
        )
        return rows, taken, states


_NO_QUADRATURE = (
    "a quadrature rule is for measures on a box in two or more dimensions; {where}. "
    "Leave it out ([quadrature] in a study file)."
)


def _where(measure: Measure) -> str:
    """Return how the risk is evaluated under a measure without quadrature."""
    if isinstance(measure, PointMeasure):
        return f"under {measure.name!r} the risk is a sum over points"
    return f"under {measure.name!r} the risk is integrated exactly"


def _check_inputs(network: ReLUNetwork, target: Target, measure: Measure) -> None:
    """Raise InputError unless network, target and measure have the same number of inputs."""
    d = network.inputs
    if measure.dimension == d and target.dimension in (None, d):
        return
    if target.dimension == d or (target.dimension is None and measure.dimension == 1):
        example = "Uniform(0.0, 1.0)" if d == 1 else f"Box(0.0, 1.0, dimension={d})"
        fix = f"a measure with d = {d}, such as measures.{example}"
    elif measure.dimension == d:
        fix = f"a target with d = {d}"
    else:
        fix = f"widths {[measure.dimension, *network.widths[1:]]}"
    raise InputError(
        f"the network has d = {d} inputs (widths {list(network.widths)}), the measure {measure.name!r} "
        f"d = {measure.dimension}, the target {target.name!r} "
        f"{'any d' if target.dimension is None else f'd = {target.dimension}'}; they must agree: use {fix}."
    )
