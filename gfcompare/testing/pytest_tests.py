"""Parametrised pytest tests made of the checks, one line for each component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gfcompare.hooks.hookspecs import Kind
from gfcompare.testing.records import Check, Subject, waivers
from gfcompare.testing.suite import CHECKS, subject_of


def tests_of(kind: Kind, component: Any, **settings: Any) -> Callable[..., None]:
    """Return a pytest test with a case for each check of a component.

    What is waived or not applicable is skipped with its reason.
    """
    import pytest

    subject = subject_of(kind, component, **settings)
    checks = CHECKS[kind]
    waived = waivers(subject.cls, checks)

    @pytest.mark.parametrize("check", [pytest.param(check, id=check.name) for check in checks])
    def test_conforms(check: Check) -> None:
        _made(subject, check, waived.get(check.name, ""))

    test_conforms.__doc__ = f"{subject.cls.__name__} keeps the contract of {kind}."
    return test_conforms


def _made(subject: Subject, check: Check, waived: str) -> None:
    import pytest

    outcome = check.outcome(subject, waived)
    if outcome.ending == "failed":
        pytest.fail(outcome.message, pytrace=False)
    if outcome.ending != "passed":
        pytest.skip(f"{outcome.ending}: {outcome.message}")
