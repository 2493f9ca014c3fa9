"""Options of the wrong type: one message that names the option, whatever the class, never a TypeError."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import examples

import gfcompare as gfc
from gfcompare.components.option_types import check_options
from gfcompare.hooks.hookspecs import KINDS
from gfcompare.hooks.registry import registry

CLASSES: list[type[Any]] = [
    gfc.Times,
    gfc.Quadrature,
    gfc.PolynomialDecay,
    gfc.PiecewiseConstant,
    *(cls for kind in KINDS if kind != "evaluators" for cls in registry().all(kind)),
]
FIELDS = [
    (cls, field.name)
    for cls in CLASSES
    for field in dataclasses.fields(cls)
    if field.init  # the others are computed
]
WRONG = ["a", None, [1], True, float("nan"), 3.7, {}, b"x", object(), 1j, -1]
#: What the required options of some classes may be, where None is not refused for another reason first.
REQUIRED = {"initial": 0.1, "boundaries": [1], "values": [0.1, 0.2]}


@pytest.mark.parametrize(("cls", "option"), FIELDS, ids=[f"{c.__name__}.{f}" for c, f in FIELDS])
def test_a_wrong_option_is_refused_or_taken_and_never_a_type_error(cls: type[Any], option: str) -> None:
    options = {
        field.name: REQUIRED.get(field.name)
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    for value in WRONG:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                cls(**options | {option: value})
            except gfc.InputError as error:
                assert str(error)


MESSAGES = [
    (lambda: gfc.Times(end="a"), "end must be a number, got 'a'."),
    (lambda: gfc.Times(count=2.5), "count must be a whole number, got 2.5."),
    (lambda: gfc.Times(values=3.0), "values must be a list, got 3.0."),
    (lambda: gfc.PolynomialDecay("fast"), "initial must be a number, got 'fast'."),
    (
        lambda: gfc.integrator("standard-gf", rtol="a"),
        "integrator 'standard-gf': rtol must be a number, got 'a'.",
    ),
    (
        lambda: gfc.integrator("standard-gf", atol="a"),
        "integrator 'standard-gf': atol must be a number or None, got 'a'.",
    ),
    (lambda: gfc.integrator("adam", beta1=None), "integrator 'adam': beta1 must be a number, got None."),
    (
        lambda: gfc.integrator("momentum", beta=True),
        "integrator 'momentum': beta must be a number, got True.",
    ),
    (lambda: gfc.targets.Sine(frequency="high"), "frequency must be a number or a list, got 'high'."),
]


@pytest.mark.parametrize(("make", "message"), MESSAGES)
def test_messages(make: Any, message: str) -> None:
    with pytest.raises(gfc.InputError) as caught:
        make()
    assert str(caught.value) == message


@dataclass(frozen=True)
class Theirs(gfc.StepMethod):
    """Somebody else's method, which checks nothing itself."""

    name: ClassVar[str] = "theirs"
    step_size: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    rule: Literal["a", "b"] = "a"
    most: int | None = None

    def step(self, problem, theta, solver_state, step_size):  # type: ignore[no-untyped-def]
        return theta, solver_state


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": "high"}, "momentum must be a number, got 'high'."),
        ({"nesterov": 1}, "nesterov must be True or False, got 1."),
        ({"rule": 3}, "rule must be text, got 3."),
        ({"most": 2.0}, "most must be a whole number or None, got 2.0."),
    ],
)
def test_options_of_a_plugin_are_checked_too(options: dict[str, Any], message: str) -> None:
    with pytest.raises(gfc.InputError) as caught:
        Theirs(**options)
    assert str(caught.value) == message


@examples(50)
@given(
    st.one_of(
        st.floats(),
        st.integers(),
        st.floats().map(np.float64),
        st.floats(width=32).map(np.float32),
        st.integers(-(2**31), 2**31 - 1).map(np.int32),
        st.floats().map(np.array),
    )
)
def test_every_real_number_is_a_number(value: Any) -> None:
    check_options(Theirs(momentum=value))
    assert Theirs(momentum=value).momentum is value


def test_types_that_cannot_be_found_are_not_checked() -> None:
    @dataclass(frozen=True)
    class Hidden:
        value: NotThere  # type: ignore[name-defined]  # noqa: F821

    check_options(Hidden("whatever"))
