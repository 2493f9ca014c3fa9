"""The problems that an evaluator is checked on: its measures, with small networks and usual targets."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from gfcompare import targets
from gfcompare.components.errors import InputError
from gfcompare.evaluators.base import Applicability, Evaluator
from gfcompare.evaluators.evaluation import Evaluation
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.hooks.announced import check_class
from gfcompare.hooks.registry import registry
from gfcompare.integrators.status import Array
from gfcompare.measures import LineMeasure, Measure, PointMeasure
from gfcompare.measures.sobol import sobol_points
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.targets import Target
from gfcompare.testing.examples import example
from gfcompare.testing.records import Broken, NotApplicable, Subject, expect
from gfcompare.testing.sample_problems import Sample

# Hidden layers and outputs of the networks, the first of them the usual one.
_SHAPES = (((4,), 1), ((1,), 1), ((3,), 2), ((3, 3), 1))
# Targets that are tried with each network of the first measure, and parts of problems altogether.
_TARGETS, _MOST = 2, 12


class EvaluatedProblem(Problem):
    """A problem that is evaluated by an evaluator of one's choice, announced or not."""

    def __init__(self, evaluator: type[Evaluator], parts: ProblemParts) -> None:
        self._given = evaluator
        super().__init__(parts.network, parts.target, parts.measure)

    @cached_property
    def _choice(self) -> tuple[Applicability, Evaluation]:
        found = self._given.applies(self._parts)
        about = Evaluation(
            self._given.name, self._given.summary(), self._given.exact, found.accuracy, found.reason
        )
        return found, about

    @property
    def evaluator(self) -> Evaluator:
        """The evaluator itself."""
        return self._whole


def samples(subject: Subject) -> list[Sample]:
    """Return problems that an evaluator applies to, each with three initial parameters.

    Raises
    ------
    NotApplicable
        if it applies to none
    """
    check_declared(subject)
    measures, extra = (tuple(subject.setting(key, ())) for key in ("measures", "targets"))
    cls: Any = subject.cls
    chosen = _chosen(cls, measures, extra)
    if not chosen:
        raise NotApplicable("it applies to none of the sample problems")
    return list(chosen)


def check_declared(subject: Subject) -> None:
    """Raise NotApplicable for a class that the hook may not announce."""
    try:
        check_class("evaluators", subject.cls)
    except InputError:
        raise NotApplicable("its declaration is wrong") from None


def evaluator_of(given: Sample) -> Evaluator:
    """Return the evaluator of a sample."""
    problem = given.problem
    assert isinstance(problem, EvaluatedProblem)  # as `samples` makes it
    return problem.evaluator


@lru_cache(maxsize=4)
def _chosen(cls: Any, measures: tuple[Measure, ...], extra: tuple[Target, ...]) -> tuple[Sample, ...]:
    found: list[Sample] = []
    for n, measure in enumerate(measures or measures_of(cls)):
        for hidden, outputs in _SHAPES if n == 0 else _SHAPES[:1]:
            taken = 0
            for parts in _parts(measure, hidden, outputs, extra):
                room = taken < (_TARGETS if n == 0 else 1) and len(found) < _MOST
                # Anything else that `applies` returns is found by the check of that name.
                if room and getattr(cls.applies(parts), "applies", False):
                    found.append(Sample(EvaluatedProblem(cls, parts), initial(parts.network)))
                    taken += 1
    return tuple(found)


def initial(network: ReLUNetwork, count: int = 3) -> Array:
    """Return parameters of several networks, shape (count, P)."""
    return 0.7 * np.random.default_rng(3).normal(size=(count, network.parameter_count))


def every_parts(subject: Subject) -> Iterator[ProblemParts]:
    """Yield the parts of all sample problems, those that an evaluator is not for among them."""
    extra = tuple(subject.setting("targets", ()))
    for measure in subject.setting("measures", ()) or measures_of(subject.cls):
        for hidden, outputs in _SHAPES:
            yield from _parts(measure, hidden, outputs, extra)


def _parts(
    measure: Measure, hidden: tuple[int, ...], outputs: int, extra: Sequence[Target]
) -> Iterator[ProblemParts]:
    network = ReLUNetwork((measure.dimension, *hidden, outputs))
    for target in (*extra, *usual_targets(measure.dimension, outputs)):
        if target.dimension in (None, measure.dimension):
            parts = ProblemParts(network, target, measure)
            try:
                right = parts.outputs() == outputs
            except InputError:
                continue
            if right:
                yield parts


def usual_targets(d: int, outputs: int) -> list[Target]:
    """Return targets of d inputs with one or two outputs."""
    powers = ((1, *(0,) * (d - 1)), (*(0,) * (d - 1), 2))
    curved: Target = targets.MultivariatePolynomial(powers, (1.0, -1.0))
    teacher = targets.Teacher((d, 2, outputs), seed=1)
    slope = tuple(0.5 - j for j in range(d))
    affine = targets.Affine((slope,), 0.2)
    if outputs == 1:
        return [teacher, curved, affine, targets.Labels()]
    return [teacher, targets.Stack((affine, curved)), targets.Labels()]


def measures_of(cls: type[Evaluator]) -> list[Measure]:
    """Return an object of each measure that an evaluator is for and that can be made without options."""
    found: list[Measure] = []
    classes: dict[type[Any], None] = {}
    for measure in cls.measures:
        own = [] if inspect.isabstract(measure) else [measure]
        known = [each for each in registry().all("measures") if issubclass(each, measure)]
        classes |= dict.fromkeys([*own, *known])
    for each in classes:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(
                    example("measures", each) if each.__module__.startswith("gfcompare.") else each()
                )
                if "dimension" in each.fields():
                    other: Any = found[-1]
                    found += [dataclasses.replace(other, dimension=d) for d in (3, 4)]
        except (InputError, TypeError):
            continue
    return found


def check_some(subject: Subject) -> None:
    """Raise Broken unless an evaluator applies to one of the sample problems at least."""
    try:
        samples(subject)
    except NotApplicable:
        reasons = dict.fromkeys(subject.cls.applies(parts).reason for parts in every_parts(subject))
        said = "; ".join(list(reasons)[:3]) or "none of its measures can be made without options"
        raise Broken(
            f"an evaluator applies to some problem; here to none of the samples: {said}. Give the measure's "
            "options defaults, or name some: gfc.testing.check_evaluator(cls, measures=[...], targets=[...])."
        ) from None


def near(one: Array, other: Array, tolerance: float, scale: float = 0.0) -> bool:
    """Return whether numbers agree up to a tolerance relative to their largest, or to a scale."""
    size = max(float(np.abs(other).max(initial=0.0)), scale)
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0.0) <= tolerance * size + 1e-14)


def check_array(values: object, shape: tuple[int, ...], what: str, where: str, fix: str) -> None:
    """Raise Broken unless something is finite float64 of a shape."""
    array = isinstance(values, np.ndarray)
    expect(
        isinstance(values, np.ndarray) and values.dtype == np.float64 and values.shape == shape,
        f"{what} is float64 of shape {shape}{where}",
        f"it is {values.dtype} of shape {values.shape}"
        if isinstance(values, np.ndarray)
        else f"it is {values!r:.60}",
        fix,
    )
    expect(
        array and bool(np.isfinite(np.asarray(values, dtype=np.float64)).all()),
        f"{what} is finite numbers",
        "some are not",
        "Look for divisions by norms that may be 0",
    )


def applied(cls: type[Evaluator], given: Sample) -> Evaluator:
    """Return an evaluator for a sample, built anew."""
    problem = given.problem
    return EvaluatedProblem(cls, ProblemParts(problem.network, problem.target, problem.measure)).evaluator


def expected_risk(given: Sample, m: int) -> tuple[float, float, str]:
    """Return the risk of row m of a sample, its standard error, and how it was integrated.

    On an interval by Gauss's rule on small pieces, on points as a sum, elsewhere with points.
    """
    problem = given.problem
    measure, theta = problem.measure, given.theta[m]

    def squares(x: Array, values: Array | None = None) -> Array:
        target = np.asarray(problem.target.at(x)) if values is None else values
        return np.asarray(((problem.network.realize(theta, x) - target) ** 2).sum(axis=1))

    if isinstance(measure, PointMeasure):
        weights = np.asarray(measure.weights)
        return float(weights @ squares(measure.points, problem.values_on_points)), 0.0, "the sum over points"
    if isinstance(measure, LineMeasure):
        density = measure.density()
        edges = np.unique(np.concatenate([np.linspace(*measure.interval, 4001), density.knots]))
        nodes, weights = np.polynomial.legendre.leggauss(4)
        half = 0.5 * np.diff(edges)[:, None]
        x = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes).ravel()
        mass = (half * weights).ravel() * density(x)[:, 0]
        return float(mass @ squares(x[:, None])), 0.0, "Gauss's rule on 4000 pieces"
    means = [float(squares(_points(measure, seed)).mean()) for seed in range(16)]
    return float(np.mean(means)), float(np.std(means, ddof=1)) / 4.0, "65536 points"


def _points(measure: Measure, seed: int) -> Array:
    """Return 4096 points of a measure, shape (n, d): Sobol's, or random ones where inputs are dependent."""
    try:
        return measure.transport(sobol_points(measure.dimension, 4096, seed))
    except InputError:
        return measure.sample(np.random.default_rng(seed), 4096).reshape(4096, -1)


def where(given: Sample) -> str:
    """Return of which sample problem something is said."""
    problem = given.problem
    widths = list(problem.network.widths)
    return f", for widths {widths}, the target {problem.target.name!r} and {problem.measure.name!r}"
