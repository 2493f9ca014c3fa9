"""The contract of plugins as checks that an author can run: in Python, in pytest, and by `gfcompare check`.

A check has a name and a rule; one that fails says the rule, the values and the usual fix, and where the
manual has more. A class waives one by ``waived_checks: ClassVar = {"name": "reason"}``, and the reason is
shown. The line ``test_conforms = gfcompare.testing.integrator_tests(HeavyBall)`` in a test file is a pytest
test with a case for each check.

There is a pair of functions for each kind of component, `check_integrator` and `integrator_tests` for
methods. All take a class, or an object of it where options matter or are needed (of an evaluator the class);
`check_...` returns a `Report` of how each check has ended, and raises

- `ConformanceError` if a check fails, with what each of them found;
- `InputError` if the component is of another kind, or waives a check that does not exist;

`..._tests` returns a test that skips what is waived or not applicable, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gfcompare.diagnostics import Quantity
from gfcompare.evaluators.base import Evaluator
from gfcompare.figures.base import Figure
from gfcompare.initializations import Initialization
from gfcompare.integrators.base import Integrator
from gfcompare.measures import Measure
from gfcompare.targets import Target
from gfcompare.testing.pytest_tests import tests_of
from gfcompare.testing.records import Check, ConformanceError, Outcome, Report
from gfcompare.testing.suite import CHECKS, conformance, passed, subject_of

__all__ = [
    "CHECKS",
    "Check",
    "ConformanceError",
    "Outcome",
    "Report",
    "check_diagnostic",
    "check_evaluator",
    "check_figure",
    "check_initialization",
    "check_integrator",
    "check_measure",
    "check_target",
    "diagnostic_tests",
    "evaluator_tests",
    "figure_tests",
    "initialization_tests",
    "integrator_tests",
    "measure_tests",
    "target_tests",
]

#: A test that pytest collects.
Test = Callable[..., None]


def check_integrator(method: type[Integrator] | Integrator) -> Report:
    """Check that a method keeps the contract."""
    return passed(conformance(subject_of("integrators", method)))


def integrator_tests(method: type[Integrator] | Integrator) -> Test:
    """Return the checks of a method as a parametrised pytest test."""
    return tests_of("integrators", method)


def check_target(target: type[Target] | Target, *, interval: tuple[float, float] | None = None) -> Report:
    """Check that a target keeps the contract.

    Parameters
    ----------
    target : a class, or an object of it
    interval : on which it is checked; by default [0, 1], or that of its own knots
    """
    return passed(conformance(subject_of("targets", target, interval=interval)))


def target_tests(target: type[Target] | Target, *, interval: tuple[float, float] | None = None) -> Test:
    """Return the checks of a target, with the options of `check_target`, as a parametrised pytest test."""
    return tests_of("targets", target, interval=interval)


def check_measure(measure: type[Measure] | Measure) -> Report:
    """Check that an input measure keeps the contract."""
    return passed(conformance(subject_of("measures", measure)))


def measure_tests(measure: type[Measure] | Measure) -> Test:
    """Return the checks of an input measure as a parametrised pytest test."""
    return tests_of("measures", measure)


def check_evaluator(
    evaluator: type[Evaluator], *, measures: Sequence[Measure] = (), targets: Sequence[Target] = ()
) -> Report:
    """Check that an evaluator keeps the contract, on small networks of one and two hidden layers.

    Parameters
    ----------
    evaluator : a class
    measures : to try it with; by default each class that it is for and that can be made without options
    targets : to try it with, besides the usual ones: a teacher, polynomials, labels
    """
    given = {"measures": tuple(measures), "targets": tuple(targets)}
    return passed(conformance(subject_of("evaluators", evaluator, **given)))


def evaluator_tests(
    evaluator: type[Evaluator], *, measures: Sequence[Measure] = (), targets: Sequence[Target] = ()
) -> Test:
    """Return the checks of an evaluator, with the options of `check_evaluator`, as a pytest test."""
    return tests_of("evaluators", evaluator, measures=tuple(measures), targets=tuple(targets))


def check_initialization(initialization: type[Initialization] | Initialization) -> Report:
    """Check that a distribution of initial networks keeps the contract.

    Examples
    --------
    >>> import gfcompare as gfc
    >>> report = gfc.testing.check_initialization(gfc.initializations.He)
    >>> print(report)
    he (initializations)
      passed          declaration
      passed          construction
      passed          value
      passed          options
      passed          shapes
      passed          seeds
      passed          scale
      passed          manifold
    """
    return passed(conformance(subject_of("initializations", initialization)))


def initialization_tests(initialization: type[Initialization] | Initialization) -> Test:
    """Return the checks of a distribution of initial networks as a parametrised pytest test."""
    return tests_of("initializations", initialization)


def check_diagnostic(diagnostic: type[Quantity] | Quantity) -> Report:
    """Check that a diagnostic keeps the contract."""
    return passed(conformance(subject_of("diagnostics", diagnostic)))


def diagnostic_tests(diagnostic: type[Quantity] | Quantity) -> Test:
    """Return the checks of a diagnostic as a parametrised pytest test."""
    return tests_of("diagnostics", diagnostic)


def check_figure(figure: type[Figure] | Figure) -> Report:
    """Check that a figure keeps the contract."""
    return passed(conformance(subject_of("figures", figure)))


def figure_tests(figure: type[Figure] | Figure) -> Test:
    """Return the checks of a figure as a parametrised pytest test."""
    return tests_of("figures", figure)
