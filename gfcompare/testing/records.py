"""A check of the contract of plugins, and what came out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of, shortened, unknown_name
from gfcompare.hooks.hookspecs import Kind

#: How a check ends. One that is not applicable says why; one that is waived has the author's reason.
Ending = Literal["passed", "failed", "waived", "not applicable"]

_PAGE = "docs/writing-a-plugin.md"
_SECTIONS: dict[str, str] = {
    "integrators": "checks-of-a-method",
    "targets": "checks-of-a-target",
    "measures": "checks-of-a-measure",
    "initializations": "checks-of-an-initialisation",
    "diagnostics": "checks-of-a-diagnostic",
    "figures": "checks-of-a-figure",
}


class ConformanceError(AssertionError):
    """A plugin does not keep the contract: every check that failed, each with rule, values and usual fix."""


class Broken(Exception):  # noqa: N818 (it is what a check finds)
    """A check has found that the contract is broken; the text says the rule, the values and the usual fix."""


class NotApplicable(Exception):  # noqa: N818 (nothing went wrong)
    """A check has nothing to look at; the text says why."""


def expect(condition: object, rule: str, found: str, fix: str) -> None:
    """Raise Broken unless a condition holds.

    Parameters
    ----------
    condition : that must hold
    rule : of the contract, a sentence without its full stop
    found : the values, completes "here"
    fix : the usual one, a sentence without its full stop
    """
    if not condition:
        raise Broken(f"{rule}; here {found}. {fix}.")


def numbers(values: Any) -> str:
    """Return numbers as a list with six digits each, for a message."""
    return f"[{', '.join(f'{float(value):.6g}' for value in np.ravel(values))}]"


@dataclass(frozen=True)
class Subject:
    """The subject of a check.

    Attributes
    ----------
    kind : of component
    cls : its class
    make : returns an object of it, a new one at each call
    settings : what a kind's checks need besides, such as the interval of a target
    """

    kind: Kind
    cls: type[Any]
    make: Callable[[], Any]
    settings: tuple[tuple[str, Any], ...] = ()

    def setting(self, key: str, default: Any) -> Any:
        """Return what was given for a check besides the component."""
        return dict(self.settings).get(key, default)


@dataclass(frozen=True)
class Check:
    """A rule of the contract, and the function that checks it.

    Attributes
    ----------
    name : such as "alone-as-in-a-batch"
    rule : what it checks, a sentence
    run : raises `Broken` or `NotApplicable`, or returns a remark, empty if there is none
    """

    name: str
    rule: str
    run: Callable[[Subject], str]

    @classmethod
    def of(cls, function: Callable[[Subject], str]) -> Check:
        """Return the check that a function is; its docstring begins "Check that" and then has the rule."""
        rule = (function.__doc__ or "").partition("\n")[0].removeprefix("Check that ")
        return cls(function.__name__.replace("_", "-"), rule[:1].upper() + rule[1:], function)

    def outcome(self, subject: Subject, waived: str = "") -> Outcome:
        """Return how the check ends for a component; it is not run if it is waived with a reason."""
        if waived:
            return Outcome(self, "waived", waived)
        try:
            return Outcome(self, "passed", self.run(subject))
        except NotApplicable as reason:
            return Outcome(self, "not applicable", str(reason))
        except Broken as broken:
            message = str(broken)
        except FOREIGN_ERRORS as error:
            text = str(error) if isinstance(error, InputError) else cause_of(error)
            message = f"{self.rule} Here {subject.cls.__name__} raised an error: {text}"
        return Outcome(self, "failed", shortened(f"{message} See {_PAGE}#{_SECTIONS[subject.kind]}."))


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check, with its reason."""

    check: Check
    ending: Ending
    message: str = ""

    def __str__(self) -> str:
        """Return the outcome as a line."""
        shown = self.ending.upper() if self.ending == "failed" else self.ending
        return f"{shown:<15} {self.check.name}{': ' if self.message else ''}{self.message}"


@dataclass(frozen=True)
class Report:
    """The outcomes of all checks of a component.

    Attributes
    ----------
    kind : of component
    name : of the component
    outcomes : in the order of the checks
    """

    kind: Kind
    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The checks that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.ending == "failed")

    def __str__(self) -> str:
        """Return a line for the component, and one for each check."""
        return "\n".join([f"{self.name} ({self.kind})", *(f"  {outcome}" for outcome in self.outcomes)])


def waivers(cls: type[Any], checks: tuple[Check, ...]) -> dict[str, str]:
    """Return the checks that a class waives, each with its reason.

    Raises
    ------
    InputError
        if there is no such check, or no reason is given
    """
    found = dict(getattr(cls, "waived_checks", {}))
    for name, reason in found.items():
        if name not in [check.name for check in checks]:
            raise unknown_name(f"check in waived_checks of {cls.__name__}:", name, [c.name for c in checks])
        if not isinstance(reason, str) or not reason.strip():
            raise InputError(f"waived_checks of {cls.__name__}: {name!r} is waived without a reason.")
    return found
