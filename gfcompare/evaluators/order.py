"""The order in which evaluators are tried: the first that applies to a problem is taken."""

from __future__ import annotations

from gfcompare.components import extensions
from gfcompare.components.errors import InputError
from gfcompare.evaluators.along_lines import AlongLines
from gfcompare.evaluators.base import Applicability, Evaluator
from gfcompare.evaluators.cube_slices import CubeSlices
from gfcompare.evaluators.evaluation import Evaluation
from gfcompare.evaluators.gaussian_inputs import GaussianInputs
from gfcompare.evaluators.on_points import OnPoints
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.preintegration import Preintegration
from gfcompare.evaluators.shallow_cube import ShallowCube
from gfcompare.evaluators.shallow_line import ShallowLine
from gfcompare.evaluators.shallow_plane import ShallowPlane

#: Exact evaluators, the best first. Those of plugins come after them, and before the approximate ones.
EXACT: tuple[type[Evaluator], ...] = (
    OnPoints,
    ShallowLine,
    AlongLines,
    ShallowPlane,
    ShallowCube,
    GaussianInputs,
)
#: Evaluators with an error that is not rounding, the best first.
APPROXIMATE: tuple[type[Evaluator], ...] = (CubeSlices, Preintegration)


def evaluators() -> tuple[type[Evaluator], ...]:
    """Return every evaluator, those of plugins included, in the order in which they are tried."""
    built_in = (*EXACT, *APPROXIMATE)
    return (*EXACT, *(e for e in extensions.evaluators() if e not in built_in), *APPROXIMATE)


def choose(parts: ProblemParts) -> tuple[Applicability, Evaluation]:
    """Return the first evaluator that applies to a problem, as yet unbuilt, and what is to be said of it.

    Raises
    ------
    InputError
        if none applies, with the reasons of those that are for such a measure
    """
    passed_over: list[tuple[str, str]] = []
    for evaluator in evaluators():
        if not isinstance(parts.measure, evaluator.measures):
            continue
        found = evaluator.applies(parts)
        if found.applies:
            return found, Evaluation(
                evaluator.name,
                evaluator.summary(),
                evaluator.exact,
                found.accuracy,
                found.reason,
                tuple(passed_over),
            )
        passed_over.append((evaluator.name, found.reason))
    raise InputError(_refusal(parts, passed_over))


def _refusal(parts: ProblemParts, passed_over: list[tuple[str, str]]) -> str:
    """Return why no evaluator applies, and what does."""
    measure = parts.measure.name
    if not passed_over:
        return (
            f"no evaluator is for the measure {measure!r}: it must be a LineMeasure, a BoxMeasure or a "
            "PointMeasure, or a plugin must announce an evaluator for it in gfcompare_evaluators."
        )
    reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over)
    return (
        f"the risk under the measure {measure!r} cannot be evaluated ({reasons}). "
        'Replace the measure by points, with measure.discretize(n, rule="sobol").'
    )
