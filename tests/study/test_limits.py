"""Refusals of what can never run, one message each: large studies, numbers out of range, mutated files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from support import in_process, refused

import gfcompare as gfc
from gfcompare.components.errors import LARGEST_INTEGER, is_full_name, is_name
from gfcompare.study.limits import Demand, Limits

BASE = """\
name = "s"
seeds = 2
[times]
end = 10.0
count = 5
[network]
widths = [1, 3, 1]
[targets.sine]
[integrators.standard-gf]
"""
PLANE = '[measure]\nname = "box"\n'
SQUARE = {"[1, 3, 1]": "[2, 3, 1]", "[targets.sine]": "[targets.product-of-sines]\nfrequency = [1.0, 2.0]"}

#: What is changed in BASE, what is added, and what the message says.
TOO_MUCH: dict[str, tuple[dict[str, str], str, str]] = {
    "seeds": ({"seeds = 2": "seeds = 1" + "0" * 25}, "", "seeds: must lie between"),
    "seeds of 64 bits": ({"seeds = 2": "seeds = 9223372036854775807"}, "", "would need 10^17 cells"),
    "seed": ({"seeds = 2": "seed = 9223372036854775808"}, "", "seed: must lie between"),
    "count": ({"count = 5": "count = 1000000000"}, "", "would need 240 gigabytes of results"),
    "widths": ({"[1, 3, 1]": "[1, 1000000000, 1]"}, "", "make a network of 3000000001 parameters"),
    "deep": ({"[1, 3, 1]": f"[1, {'2, ' * 2000} 1]"}, "", "at most 1000 are allowed"),
    "inputs": ({"[1, 3, 1]": "[1000000000, 1, 1]"}, PLANE + "dimension = 1000000000", "parameters"),
    "wide": ({"[1, 3, 1]": "[1, 30000000, 1]", "count = 5": "count = 50"}, "", "gigabytes of results"),
    "dimension": ({}, PLANE + "dimension = 1000000000", "dimension must be an integer from 2 to 1000"),
    "nodes": (SQUARE, PLANE + "[quadrature]\nnodes = 1000000000", "nodes must be at most 8192"),
    "max_steps": (
        {},
        "[integrators.other]\nname = 'standard-gf'\nmax_steps = 1" + "0" * 30,
        "integrators.other.max_steps: must lie between -2^63 and 2^63",
    ),
    "grid": (
        {},
        f"rtol = {[10.0**-k for k in range(2, 12)]}\nmax_steps = {list(range(1, 10001))}\n"
        f"atol = {[1e-12 * k for k in range(1, 1001)]}",
        "the grid has 100,000,000 combinations",
    ),
    "powers": (
        SQUARE,
        PLANE + "[targets.p]\nname = 'multivariate-polynomial'\n"
        "powers = [[1000000000, 0]]\ncoefficients = [1]",
        "a polynomial of degree 1000000000",
    ),
    "degree": (
        {},
        f"[targets.p]\nname = 'polynomial'\ncoefficients = {[1.0] * 500}",
        "a polynomial of degree 499",
    ),
    "points": (
        {},
        "[measure]\nname = 'discretized'\ncount = 1000000000\nmeasure = {name = 'uniform'}",
        "count must lie between 1 and 10000000",
    ),
    "teacher": ({}, "[targets.teacher]\nwidths = [1, 1000000000, 1]", "parameters"),
    "step": ({}, "[integrators.gd]\nstep_size = 1e-18", "hours of one core, at the least"),
    "smallest step": ({}, "[integrators.gd]\nstep_size = 5e-324", "would need inf hours"),
    "digits": ({"seeds = 2": "seeds = " + "9" * 5000}, "", "a whole number with thousands of digits"),
    "brackets": ({"seeds = 2": "seeds = " + "[" * 1200 + "]" * 1200}, "", "too many brackets"),
    "long name": ({"[targets.sine]": f"[targets.{'x' * 300}]\nname = 'sine'"}, "", "at most 80 characters"),
    "long name in bytes": (
        {"[targets.sine]": f"[targets.'{'字' * 80}']\nname = 'sine'"},
        "",
        "200 bytes in UTF-8",
    ),
    "long name of a grid": (
        {"[targets.sine]": f"[targets.'{'字' * 60}']\nname='sine'", "[1, 3, 1]": "[[1, 3, 1], [1, 4, 1]]"},
        "[measure]\nname = 'uniform'\nupper = "
        + str([1 + 2.0 ** -(30 + k) for k in range(9)])
        + "\n[initialization]\nname = 'he'\nscale = "
        + str([1 + 2.0 ** -(30 + k) for k in range(9)])
        + "\nbias_scale = "
        + str([1 + 2.0 ** -(30 + k) for k in range(9)]),
        "bytes in UTF-8, and at most 240 are allowed",
    ),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_can_never_run_is_one_message(tmp_path: Path, case: str) -> None:
    changes, more, message = TOO_MUCH[case]
    text = BASE + more + "\n"
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(gfc.InputError) as caught:
        gfc.Study.from_toml(path)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1500
    assert "\n" not in str(caught.value)


@pytest.mark.thorough
def test_the_command_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(BASE.replace("seeds = 2", "seeds = 1000000000"))
    for command in ("run", "info", "validate", "work-precision"):
        refused(in_process(command, tmp_path / "s.toml"), "would need 62,500,000 cells")


def given(**changes: Any) -> gfc.Study:
    about: dict[str, Any] = {
        "targets": {"sine": gfc.targets.Sine()},
        "integrators": {"gd": gfc.integrator("gd", step_size=0.1)},
        "network": gfc.ReLUNetwork((1, 3, 1)),
    }
    return gfc.Study("s", **(about | changes))


def test_limits_are_raised_on_purpose(tmp_path: Path) -> None:
    with pytest.raises(gfc.InputError, match=r"would need 125,000 cells .* raise it: limits\.cells"):
        given(seeds=2_000_000)
    assert given(seeds=2_000_000, limits=Limits(125_000, 40.0)).limits.cells == 125_000
    with pytest.raises(gfc.InputError, match=r"gigabytes .* raise it: limits\.gigabytes"):
        given(times=gfc.Times(count=10**8))
    assert given(times=gfc.Times(count=10**8), limits=Limits(gigabytes=1e9)).times.size == 10**8 + 1
    with pytest.raises(gfc.InputError, match=r"hours .* raise it: limits\.hours"):
        given(integrators={"gd": gfc.integrator("gd", step_size=1e-15)})
    given(integrators={"gd": gfc.integrator("gd", step_size=1e-15)}, limits=Limits(hours=1e9))
    given(integrators={"gd": gfc.integrator("gd", step_size=1e-15)}, time_limit=10.0)
    path = tmp_path / "s.toml"
    path.write_text(BASE.replace("seeds = 2", "seeds = 2000000") + "[limits]\ncells = 200000\n")
    assert gfc.Study.from_toml(path).limits == Limits(cells=200_000)
    assert given(limits=Limits(cells=7)).spec()["limits"]["cells"] == 7
    for wrong in ({"cells": 0}, {"hours": -1.0}, {"gigabytes": math.nan}, {"cells": True}):
        with pytest.raises(gfc.InputError, match="must be positive"):
            Limits(**wrong)


def test_limits_change_no_cell() -> None:
    assert [c.key for c in given().cells()] == [c.key for c in given(limits=Limits(hours=1.0)).cells()]


def test_the_estimate_is_what_is_stored(small_folder: Path, small_tree: Any) -> None:
    """The size of a result is within a factor of two of the estimate, the number of cells is exact."""
    data = small_tree["sine"].to_dataset()
    demand = Demand([13, 13], [0.0] * 6, seeds=18, blocks=2, times=data.sizes["time"])
    assert demand.cells == len(list((small_folder / "cells").glob("*.cell")))
    stored = sum(
        v.nbytes for n in small_tree.children.values() for v in n.variables.values() if "time" in v.dims
    )
    assert 0.5 < demand.gigabytes / (stored / 1e9) < 2.0


def test_the_time_is_a_lower_bound(small_tree: Any, small_study: gfc.Study) -> None:
    from gfcompare.study.spec import steps_to

    data = small_tree["sine"].to_dataset()
    for name, method in small_study.integrators.items():
        steps = steps_to(method, small_study.times.last)
        taken = float(data["wall_time"].sel(integrator=name).isel(time=-1).max())
        assert Demand([13], [steps], seeds=1, blocks=1, times=1).hours * 3600 <= taken or math.isnan(taken)


def test_times_know_their_number_before_they_are_an_array() -> None:
    for times in (
        gfc.Times(),
        gfc.Times(spacing="linear", end=3.0, count=4),
        gfc.Times(values=(0.0, 1.0)),
        gfc.Times(values=(0.5, 1.0)),
    ):
        assert times.size == len(times.array())
        assert times.last == times.array()[-1]


def test_whole_numbers_of_a_script_have_64_bits() -> None:
    with pytest.raises(gfc.InputError, match=r"integrators\.flow\.max_steps: must lie between"):
        given(integrators={"flow": gfc.integrator("standard-gf", max_steps=10**30)})
    with pytest.raises(gfc.InputError, match="seed must lie between"):
        given(seed=LARGEST_INTEGER + 1)


def test_names_fit_into_files() -> None:
    assert is_name("x" * 80)
    assert not is_name("x" * 81)
    assert is_name("字" * 66)
    assert not is_name("字" * 67)
    assert is_full_name("字" * 80)
    assert not is_full_name("字" * 81)
    assert not is_full_name("a/b")


@pytest.mark.thorough
def test_mutated_study_files_are_studies_or_one_message(tmp_path: Path) -> None:
    """10,000 of them: python tests/fuzzing.py 10000."""
    studies = 0
    for text in fuzzing.files(300, seed=5):
        said = fuzzing.outcome(tmp_path, text)
        assert "\n" not in said
        assert len(said) < 3000
        studies += said == "study"
    assert 30 < studies < 270
