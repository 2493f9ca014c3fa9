"""The contract of plugins as checks that an author can run: in Python, in pytest, and by `gfcompare check`.

A check has a name and a rule; one that fails says the rule, the values and the usual fix, and where the
manual has more. A class waives one by ``waived_checks: ClassVar = {"name": "reason"}``, and the reason is
shown. The line ``test_conforms = gfcompare.testing.integrator_tests(HeavyBall)`` in a test file is a pytest
test with a case for each check.
"""

from __future__ import annotations

from collections.abc import Callable

from gfcompare.diagnostics import Quantity
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
    "check_figure",
    "check_initialization",
    "check_integrator",
    "check_measure",
    "check_target",
    "diagnostic_tests",
    "figure_tests",
    "initialization_tests",
    "integrator_tests",
    "measure_tests",
    "target_tests",
]

#: A test that pytest collects.
Test = Callable[..., None]


def check_integrator(method: type[Integrator] | Integrator) -> Report:
    """Check that a method keeps the contract; return how each check has ended.

    Parameters
    ----------
    method : a class, or an object of it where options matter or are needed

    Raises
    ------
    ConformanceError
        if a check fails, with what each of them found
    InputError
        if it is no method, or waives a check that does not exist
    """
    return passed(conformance(subject_of("integrators", method)))


def integrator_tests(method: type[Integrator] | Integrator) -> Test:
    """Return the checks of a method as a parametrised pytest test.

    Parameters
    ----------
    method : a class, or an object of it where options matter or are needed
    """
    return tests_of("integrators", method)


def check_target(target: type[Target] | Target, *, interval: tuple[float, float] | None = None) -> Report:
    """Check that a target keeps the contract; return how each check has ended.

    Parameters
    ----------
    target : a class, or an object of it where options matter or are needed
    interval : on which it is checked; by default [0, 1], or that of its own knots

    Raises
    ------
    ConformanceError
        if a check fails, with what each of them found
    InputError
        if it is no target, or waives a check that does not exist
    """
    return passed(conformance(subject_of("targets", target, interval=interval)))


def target_tests(target: type[Target] | Target, *, interval: tuple[float, float] | None = None) -> Test:
    """Return the checks of a target as a parametrised pytest test.

    Parameters
    ----------
    target : a class, or an object of it where options matter or are needed
    interval : on which it is checked; by default [0, 1], or that of its own knots
    """
    return tests_of("targets", target, interval=interval)


def check_measure(measure: type[Measure] | Measure) -> Report:
    """Check that an input measure keeps the contract; return how each check has ended.

    Parameters
    ----------
    measure : a class, or an object of it where options matter or are needed

    Raises
    ------
    ConformanceError
        if a check fails, with what each of them found
    InputError
        if it is no input measure, or waives a check that does not exist
    """
    return passed(conformance(subject_of("measures", measure)))


def measure_tests(measure: type[Measure] | Measure) -> Test:
    """Return the checks of an input measure as a parametrised pytest test.

    Parameters
    ----------
    measure : a class, or an object of it where options matter or are needed
    """
    return tests_of("measures", measure)


def check_initialization(initialization: type[Initialization] | Initialization) -> Report:
    """Check that a distribution of initial networks keeps the contract; return how each check has ended.

    Parameters
    ----------
    initialization : a class, or an object of it where options matter or are needed

    Raises
    ------
    ConformanceError
        if a check fails, with what each of them found
    InputError
        if it is no distribution of initial networks, or waives a check that does not exist

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
    """Return the checks of a distribution of initial networks as a parametrised pytest test.

    Parameters
    ----------
    initialization : a class, or an object of it where options matter or are needed
    """
    return tests_of("initializations", initialization)


def check_diagnostic(diagnostic: type[Quantity] | Quantity) -> Report:
    """Check that a diagnostic keeps the contract; return how each check has ended.

    Parameters
    ----------
    diagnostic : a class, or an object of it where options matter or are needed

    Raises
    ------
    ConformanceError
        if a check fails, with what each of them found
    InputError
        if it is no diagnostic, or waives a check that does not exist
    """
    return passed(conformance(subject_of("diagnostics", diagnostic)))


def diagnostic_tests(diagnostic: type[Quantity] | Quantity) -> Test:
    """Return the checks of a diagnostic as a parametrised pytest test.

    Parameters
    ----------
    diagnostic : a class, or an object of it where options matter or are needed
    """
    return tests_of("diagnostics", diagnostic)


def check_figure(figure: type[Figure] | Figure) -> Report:
    """Check that a figure keeps the contract; return how each check has ended.

    Parameters
    ----------
    figure : a class, or an object of it where options matter or are needed

    Raises
    ------
    ConformanceError
        if a check fails, with what each of them found
    InputError
        if it is no figure, or waives a check that does not exist
    """
    return passed(conformance(subject_of("figures", figure)))


def figure_tests(figure: type[Figure] | Figure) -> Test:
    """Return the checks of a figure as a parametrised pytest test.

    Parameters
    ----------
    figure : a class, or an object of it where options matter or are needed
    """
    return tests_of("figures", figure)
