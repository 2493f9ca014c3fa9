"""The conformance suite: what is shipped passes, planted faults are caught, waivers are said."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from faults import FAULTS, RIGHT, Descent, Parabola

import gfcompare as gfc
from gfcompare.components.errors import InputError
from gfcompare.hooks.registry import registry
from gfcompare.testing.suite import CHECKS, conformance, subject_of

NEEDS = {"torch-optim": ("torch",), "optax": ("jax", "optax")}
#: Checks that every kind has in common are planted for methods only.
EVERY = ("declaration", "construction", "value", "options")


def report_of(kind: Any, component: Any, *only: str) -> gfc.testing.Report:
    return conformance(subject_of(kind, component), only=only)


def said(report: gfc.testing.Report) -> str:
    return "\n".join(str(outcome) for outcome in report.failed)


def shipped() -> list[tuple[str, str]]:
    """Kind and name of every component that gfcompare brings."""
    return [(kind, cls.name) for kind in CHECKS for cls in registry().all(kind) if own(kind, cls.name)]


def own(kind: Any, name: str) -> bool:
    return registry().origin(kind, name).distribution == "gfcompare"


def ids(pairs: list[tuple[str, str]]) -> list[str]:
    return ["-".join(pair) for pair in pairs]


CHEAP = [pair for pair in shipped() if pair[0] in ("targets", "initializations") and pair[1] != "table"]
COSTLY = [pair for pair in shipped() if pair not in CHEAP]


def passes(kind: Any, name: str) -> None:
    report = report_of(kind, registry().get(kind, name))
    assert not report.failed, said(report)
    assert {outcome.check.name for outcome in report.outcomes} == {check.name for check in CHECKS[kind]}


@pytest.mark.sampled("integrators-gd")
@pytest.mark.parametrize(("kind", "name"), COSTLY, ids=ids(COSTLY))
def test_what_is_shipped_passes(kind: Any, name: str) -> None:
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    passes(kind, name)


def test_shipped_targets_and_initialisations_pass() -> None:
    for kind, name in CHEAP:
        passes(kind, name)


VARIANTS = {
    "gd on M": ("gd", {"normalize": True}),
    "sgd on M": ("sgd", {"normalize": True, "batch_size": 4}),
    "adam with batches": ("adam", {"batch_size": 4}),
    "momentum on M": ("momentum", {"normalize": True}),
    "explicit flow": ("standard-gf", {"method": "dopri5"}),
    "normalised flow by CVODE": ("normalized-gf", {"method": "bdf"}),
    "a schedule": ("gd", {"step_size": gfc.PiecewiseConstant((10,), (0.05, 0.02))}),
}


@pytest.mark.sampled("gd on M")
@pytest.mark.parametrize("case", VARIANTS)
def test_shipped_methods_pass_with_other_options(case: str) -> None:
    name, options = VARIANTS[case]
    report = report_of("integrators", gfc.integrator(name, **options))
    assert not report.failed, said(report)


@pytest.mark.parametrize(("kind", "check"), FAULTS, ids=ids(list(FAULTS)))
def test_a_planted_fault_is_caught_by_its_check(kind: Any, check: str) -> None:
    cls = FAULTS[kind, check]
    (outcome,) = report_of(kind, cls, check).outcomes
    assert outcome.ending == "failed", outcome
    assert "docs/writing-a-plugin.md#checks-of-a" in outcome.message
    assert "\n" not in outcome.message


def test_every_check_has_a_planted_fault() -> None:
    checks = {(kind, check.name) for kind in CHECKS for check in CHECKS[kind]}
    shared = {(kind, name) for kind in CHECKS for name in EVERY if kind not in ("integrators", "evaluators")}
    assert set(FAULTS) == checks - shared
    assert len(FAULTS) >= 20


@pytest.mark.sampled("targets")
@pytest.mark.parametrize("kind", RIGHT)
def test_the_same_without_a_fault_passes(kind: Any) -> None:
    for cls in RIGHT[kind]:
        report = report_of(kind, cls)
        assert not report.failed, said(report)


def test_a_failed_check_is_an_error_with_rule_values_and_fix() -> None:
    with pytest.raises(gfc.testing.ConformanceError) as caught:
        gfc.testing.check_target(FAULTS["targets", "shapes"])
    text = str(caught.value)
    assert "at(x), x of shape (50, 1), returns float64 of shape (50, outputs) = (50, 1)" in text  # the rule
    assert "here it returned float64 of shape (50,)" in text  # the values
    assert "Return np.stack" in text  # the fix
    assert "docs/writing-a-plugin.md#checks-of-a-target" in text


def test_the_report_says_how_each_check_ended() -> None:
    report = gfc.testing.check_target(Parabola)
    lines = str(report).splitlines()
    assert lines[0] == "parabola (targets)"
    assert lines[1].split() == ["passed", "declaration"]
    assert any(line.startswith("  not applicable  terms: it is no polynomial plus neurons") for line in lines)


@dataclass(frozen=True)
class Waiving(FAULTS["targets", "terms"]):  # type: ignore[misc]
    """Waives the check that it would fail."""

    waived_checks: ClassVar[Any] = {"terms": "exact to 1e-2 is enough here"}


def test_a_waived_check_is_not_made_and_its_reason_is_said() -> None:
    report = gfc.testing.check_target(Waiving)
    assert "waived          terms: exact to 1e-2 is enough here" in str(report)


@pytest.mark.parametrize(
    ("waived", "message"),
    [
        ({"term": "no"}, "unknown check in waived_checks of Wrong: 'term'. Did you mean 'terms'?"),
        ({"terms": " "}, "waived_checks of Wrong: 'terms' is waived without a reason"),
    ],
)
def test_a_wrong_waiver_is_refused(waived: dict[str, str], message: str) -> None:
    @dataclass(frozen=True)
    class Wrong(Parabola):
        waived_checks: ClassVar[Any] = waived

    with pytest.raises(InputError, match=message.replace(".", r"\.").replace("?", r"\?")):
        gfc.testing.check_target(Wrong)


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"a class or an object of gfcompare\.Integrator can be checked, got 'gd'"
    ):
        gfc.testing.check_integrator("gd")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"of gfcompare\.Target can be checked"):
        gfc.testing.check_target(Descent)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"unknown check of targets: 'degre'\. Did you mean 'degree'"):
        report_of("targets", Parabola, "degre")


def test_a_component_that_needs_options_is_checked_as_an_object() -> None:
    @dataclass(frozen=True)
    class Power(gfc.targets.SpaceTarget):
        """x to an exponent."""

        name: ClassVar[str] = "power"
        exponent: int
        outputs = 1
        dimension = 1

        def at(self, x: gfc.Array) -> gfc.Array:
            return self.checked(x) ** self.exponent

        def degree(self, coordinate: int) -> int:
            return self.exponent

    report = gfc.testing.check_target(Power)
    assert "construction: it needs options: " in str(report)
    assert "'exponent'" in str(report)
    gfc.testing.check_target(Power(3), interval=(-1.0, 2.0))


def test_an_error_in_a_component_is_a_failed_check() -> None:
    @dataclass(frozen=True)
    class Breaks(Parabola):
        def at(self, x: gfc.Array) -> gfc.Array:
            raise ZeroDivisionError("deliberately")

    (outcome,) = report_of("targets", Breaks, "shapes").outcomes
    assert outcome.ending == "failed"
    assert "Here Breaks raised an error: ZeroDivisionError: deliberately (test_conformance.py, line " in (
        outcome.message
    )
    assert ", in at)." in outcome.message
    report = conformance(subject_of("targets", Breaks))
    assert len([line for line in said(report).splitlines() if "deliberately" in line]) == 1
    assert "degree: it raised the error of shapes." in said(report)


def test_defaults_that_a_class_refuses_are_no_missing_options() -> None:
    @dataclass(frozen=True)
    class Refused(Parabola):
        """x^2 for a positive height."""

        height: float = -1.0

        def __post_init__(self) -> None:
            gfc.require(self.height > 0, f"height must be positive, got {self.height}.")

    (outcome,) = report_of("targets", Refused, "construction").outcomes
    assert outcome.ending == "failed"
    assert "Refused() says: height must be positive, got -1.0." in outcome.message


def test_an_initialisation_that_fits_no_network_fails() -> None:
    @dataclass(frozen=True)
    class Three(gfc.Initialization):
        """Three numbers times scale, on M with on_manifold."""

        name: ClassVar[str] = "three"

        def parameters(self, network: gfc.ReLUNetwork, rng: np.random.Generator) -> gfc.Array:
            return rng.normal(size=3)

    (outcome,) = report_of("initializations", Three, "shapes").outcomes
    assert outcome.ending == "failed"
    assert "draws a network with some widths; here none" in outcome.message


def test_a_figure_that_leaves_settings_behind_is_caught() -> None:
    @dataclass(frozen=True)
    class Large(RIGHT["figures"][0]):  # type: ignore[misc]
        def draw(self, tree: Any, ax: Any = None) -> Any:
            import matplotlib as mpl

            mpl.rcParams["font.size"] = 31.0
            return super().draw(tree, ax)

    import matplotlib as mpl

    before = mpl.rcParams["font.size"]
    (outcome,) = report_of("figures", Large, "result-unchanged").outcomes
    assert outcome.ending == "failed"
    assert "rcParams font.size have changed" in outcome.message
    assert mpl.rcParams["font.size"] == before


def test_one_line_is_a_pytest_test_with_a_case_for_each_check(pytester_folder: Any) -> None:
    result = pytester_folder(
        "import gfcompare as gfc\n"
        "from faults import Descent, FAULTS\n"
        "test_right = gfc.testing.integrator_tests(Descent)\n"
        "test_wrong = gfc.testing.target_tests(FAULTS['targets', 'terms'])\n"
        "test_drawn = gfc.testing.initialization_tests(gfc.initializations.He)\n"
    )
    counts = result.outcomes
    assert counts["failed"] == ["test_wrong[terms]"]
    assert "test_right[order]" in counts["passed"]
    assert "test_right[follows]" in counts["skipped"]
    assert "terms(box) and at(x) are the same function; here" in result.text
    assert "Traceback" not in result.text


@pytest.mark.parametrize(
    "name", ["integrator", "target", "measure", "evaluator", "initialization", "diagnostic", "figure"]
)
def test_there_are_a_check_and_tests_for_each_kind(name: str) -> None:
    assert callable(getattr(gfc.testing, f"check_{name}"))
    assert callable(getattr(gfc.testing, f"{name}_tests"))


def test_the_tally_of_evaluations_leaves_the_problem_as_it_was() -> None:
    from gfcompare.testing.runs import tallied

    before = dict(vars(gfc.Problem))
    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    theta = np.ones((3, 7))
    with tallied() as tally:
        problem.gradient(theta)
        problem.risk(theta[0])
        problem.sample_gradient(theta, 5, np.random.default_rng(0))
    assert tally == {"gradients": 3, "risks": 1, "sample_gradients": 15}
    assert dict(vars(gfc.Problem)) == before


def test_the_reference_of_the_checks_is_the_flow() -> None:
    """By another family of solvers: CVODE."""
    from gfcompare.testing.runs import reference
    from gfcompare.testing.sample_problems import sample

    given = sample()
    for name, normalized in (("standard-gf", False), ("normalized-gf", True)):
        flow = gfc.integrator(name, rtol=1e-9, method="bdf")
        data = gfc.integrate(given.problem, flow, given.theta, [1.0])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = reference(given, 1.0, normalized=normalized)
        assert np.abs(gfc.parameters(data)[:, 0] - expected).max() < 1e-6
