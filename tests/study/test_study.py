"""Studies: the same in Python and TOML, grids, times, and the message for every kind of bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

import gfcompare as gfc
from gfcompare.components.identity import identity
from gfcompare.study.cells import SEEDS_PER_CELL
from gfcompare.study.toml import FIELDS

Write = Callable[..., Path]


def tiny(**changes: Any) -> gfc.Study:
    fields: dict[str, Any] = {
        "name": "tiny",
        "targets": {"sine": gfc.targets.Sine()},
        "integrators": {"gd": gfc.integrator("gd", step_size=0.1)},
        "network": gfc.ReLUNetwork((1, 3, 1)),
        "times": gfc.Times(end=1.0, count=3),
        "seeds": 2,
    }
    return gfc.Study(**(fields | changes))


def keys(study: gfc.Study) -> list[str]:
    return [cell.key for cell in study.cells()]


# ---------------------------------------------------------------------------------------------------
# Python and TOML
# ---------------------------------------------------------------------------------------------------

EVERYTHING = """
name = "everything"
description = "Every kind of value."
seed = 11
seeds = 20
time_limit = 60
[times]
spacing = "linear"
end = 5.0
count = 6
[network]
widths = [[1, 3, 1], [1, 4, 1]]
[measure]
name = "truncated-normal"
mean = 0.5
lower = 0.0
[initialization]
name = "normal"
scale = [0.1, 1]
[targets.sine]
frequency = 2
[targets.table]
path = "data/points.csv"
interpolation = "pchip"
[targets.stacked]
name = "stack"
components = [{name = "constant", value = 2.0}]
[integrators.standard-gf]
rtol = [1e-6, 1e-8]
[integrators.gd]
step_size = [0.1, {schedule = "polynomial", initial = 0.5, power = 1}]
[integrators.steps]
name = "sgd"
step_size = {boundaries = [10, 20], values = [0.1, 0.01, 0.001]}
batch_size = 4
normalize = true
"""


def everything(folder: Path) -> gfc.Study:
    return gfc.Study(
        "everything",
        description="Every kind of value.",
        seed=11,
        seeds=20,
        time_limit=60.0,
        times=gfc.Times(spacing="linear", end=5.0, count=6),
        network=[gfc.ReLUNetwork((1, 3, 1)), gfc.ReLUNetwork([1, 4, 1])],
        measure=gfc.measures.TruncatedNormal(mean=0.5, lower=0.0),
        initialization=[gfc.initializations.Normal(scale=0.1), gfc.initializations.Normal(scale=1.0)],
        targets={
            "sine": gfc.targets.Sine(frequency=2.0),
            "table": gfc.targets.Table(folder / "data" / "points.csv", interpolation="pchip"),
            "stacked": gfc.targets.Stack([gfc.targets.Constant(2.0)]),
        },
        integrators={
            "standard-gf": [gfc.integrator("standard-gf", rtol=r) for r in (1e-6, 1e-8)],
            "gd": [
                gfc.integrator("gd", step_size=0.1),
                gfc.integrator("gd", step_size=gfc.PolynomialDecay(0.5, power=1.0)),
            ],
            "steps": gfc.integrator(
                "sgd",
                step_size=gfc.PiecewiseConstant([10, 20], [0.1, 0.01, 0.001]),
                batch_size=4,
                normalize=True,
            ),
        },
    )


def test_python_and_toml_give_the_same_study(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "points.csv").write_text("x,y\n0,1\n0.5,0\n1,1\n")
    path = tmp_path / "everything.toml"
    path.write_text(EVERYTHING)
    read, written = gfc.Study.from_toml(path), everything(tmp_path)
    assert read.spec() == written.spec()
    assert keys(read) == keys(written)
    assert len(set(keys(read))) == len(keys(read)) == 3 * 2 * 2 * 5 * 2
    assert read.source == EVERYTHING
    assert list(read.integrators) == [
        "standard-gf[rtol 1e-06]",
        "standard-gf[rtol 1e-08]",
        "gd[step 0.1]",
        "gd[step polynomial(initial=0.5;power=1)]",
        "steps",
    ]
    assert [p.name for p in read.problems][:4] == [
        "sine[1-3-1, scale 0.1]",
        "sine[1-3-1, scale 1]",
        "sine[1-4-1, scale 0.1]",
        "sine[1-4-1, scale 1]",
    ]


def test_the_spec_is_json_with_the_keys_of_a_study_file(tmp_path: Path) -> None:
    spec = tiny(targets={"own": gfc.targets.Function(np.sin)}).spec()
    assert json.loads(json.dumps(spec)) == spec
    assert spec["problems"]["own"]["target"]["function"] == "<Python sin>"
    assert set(spec) - {"problems"} <= set(FIELDS)


def test_defaults(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text('name = "short"\n[targets.sine]\n[integrators.gd]\n')
    read = gfc.Study.from_toml(path)
    written = gfc.Study(
        "short", targets={"sine": gfc.targets.Sine()}, integrators={"gd": gfc.integrator("gd")}
    )
    assert read.spec() == written.spec()
    assert (read.seeds, read.seed, read.problems[0].network.widths) == (16, 0, (1, 16, 1))


def test_a_file_with_a_byte_order_mark(study_file: Write) -> None:
    path = study_file()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert gfc.Study.from_toml(path).name == "tiny"


def test_the_shipped_studies_are_valid() -> None:
    paths = sorted((ROOT / "studies").glob("*.toml"))
    assert paths
    for path in paths:
        study = gfc.Study.from_toml(path)
        assert study.description
        assert study.name == path.stem.replace("_", "-") or study.name == path.stem


# ---------------------------------------------------------------------------------------------------
# Grids and names
# ---------------------------------------------------------------------------------------------------

GD = "[integrators.gd]\nstep_size = 0.1"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("[integrators.gd]\nstep_size = [0.1, 0.01]", ["gd[step 0.1]", "gd[step 0.01]"]),
        ("[integrators.gd]\nstep_size = [0.1]", ["gd"]),
        ("[integrators.gd]\nstep_size = [1, 2]", ["gd[step 1]", "gd[step 2]"]),
        (
            "[integrators.gd]\nstep_size = [0.1, 0.01]\nnormalize = [false, true]",
            [
                "gd[step 0.1, normalize false]",
                "gd[step 0.1, normalize true]",
                "gd[step 0.01, normalize false]",
                "gd[step 0.01, normalize true]",
            ],
        ),
        (
            "[integrators.gd]\nstep_size = [{initial = 0.1}, {boundaries = [5], values = [1, 2]}]",
            [
                "gd[step polynomial(initial=0.1)]",
                "gd[step piecewise-constant(boundaries=5;values=1-2)]",
            ],
        ),
        (
            "[integrators.gd]\nstep_size = [0.1, 0.10000000001]",
            ["gd[step 0.1]", "gd[step 0.10000000001]"],
        ),
        ("[[integrators.m]]\nname = 'gd'\n[[integrators.m]]\nname = 'sgd'", ["m[gd]", "m[sgd]"]),
        (
            "[[integrators.m]]\nname = 'gd'\nstep_size = [0.1, 0.2]\n[[integrators.m]]\nname = 'sgd'",
            [
                "m[gd, step 0.1]",
                "m[gd, step 0.2]",
                "m[sgd, step 0.01, batch 32]",
            ],
        ),
    ],
)
def test_grids_of_methods(study_file: Write, given: str, names: list[str]) -> None:
    assert list(gfc.Study.from_toml(study_file((GD, given))).integrators) == names


@pytest.mark.parametrize(
    ("old", "new", "last", "names"),
    [
        ("[1, 3, 1]", "[[1, 3, 1], [1, 5, 1]]", "", ["sine[1-3-1]", "sine[1-5-1]"]),
        ("[1, 3, 1]", "[[1, 3, 1]]", "", ["sine"]),
        ("[targets.sine]", "[targets.constant]\nvalue = [1.0]", "", ["constant"]),
        ("[targets.sine]", "[targets.teacher]\nseed = [1, 2]", "", ["teacher[seed 1]", "teacher[seed 2]"]),
        (
            "[targets.sine]",
            "[targets.polynomial]\ncoefficients = [[[1, 2]], [[3, 4]]]",
            "",
            ["polynomial[coefficients 1-2]", "polynomial[coefficients 3-4]"],
        ),
        ("", "", "[measure]\nname = 'uniform'\nlower = [-1, 0.5]", ["sine[lower -1]", "sine[lower 0.5]"]),
        (
            "",
            "",
            "[[measure]]\nname = 'uniform'\n[[measure]]\nname = 'truncated-normal'",
            ["sine[uniform]", "sine[truncated-normal]"],
        ),
        (
            "",
            "",
            "[[initialization]]\nname = 'he'\n[[initialization]]\nname = 'sphere'",
            ["sine[he]", "sine[sphere]"],
        ),
        (
            "[1, 3, 1]",
            "[[1, 3, 1], [1, 5, 1]]",
            "[initialization]\nname = 'he'\nscale = [1, 2]",
            [f"sine[1-{h}-1, scale {s}]" for h in (3, 5) for s in (1, 2)],
        ),
    ],
)
def test_grids_of_problems(study_file: Write, old: str, new: str, last: str, names: list[str]) -> None:
    study = gfc.Study.from_toml(study_file((old, new), last=last) if old else study_file(last=last))
    assert [p.name for p in study.problems] == names


def test_a_list_that_is_a_valid_value_is_a_value(study_file: Write) -> None:
    path = study_file(("[targets.sine]", "[targets.sine]\nfrequency = [1, 2]"), ("[1, 3, 1]", "[1, 3, 2]"))
    study = gfc.Study.from_toml(path)
    assert [p.target.outputs for p in study.problems] == [2]


def test_a_long_grid_label_becomes_a_number() -> None:
    targets = [gfc.targets.PiecewiseLinear(np.linspace(0, 1, 40).tolist(), [float(k)] * 40) for k in (1, 2)]
    assert [p.name for p in tiny(targets={"t": targets}).problems] == ["t[0]", "t[1]"]


def test_two_functions_are_two_targets() -> None:
    grid = [gfc.targets.Function(lambda x: x), gfc.targets.Function(lambda x: 2 * x)]
    study = tiny(targets={"f": grid})
    assert len(set(keys(study))) == 2


@dataclass(frozen=True)
class Damped(gfc.StepMethod):
    """A method with a Python function as an option."""

    name: ClassVar[str] = "damped"
    factor: Callable[[float], float]
    step_size: float = 0.1

    def step(self, problem, theta, solver_state, step_size):  # type: ignore[no-untyped-def]
        return theta - self.factor(step_size) * problem.gradient(theta), solver_state


def test_options_that_are_functions_count_by_their_code() -> None:
    def key(factor: Callable[[float], float]) -> str:
        return keys(tiny(integrators={"m": Damped(factor)}))[0]

    def times(a: float) -> Callable[[float], float]:
        return lambda h: a * h

    assert key(lambda h: h) == key(lambda h: h)
    assert key(lambda h: h) != key(lambda h: 2 * h)
    assert key(times(2.0)) == key(times(2.0))
    assert key(times(2.0)) != key(times(3.0))


# ---------------------------------------------------------------------------------------------------
# What a cell is
# ---------------------------------------------------------------------------------------------------


def test_cells_and_their_names() -> None:
    study = tiny(seeds=SEEDS_PER_CELL + 2)
    assert [cell.seeds for cell in study.cells()] == [tuple(range(16)), (16, 17)]
    assert [cell.label for cell in study.cells()] == ["sine / gd / seeds 0-15", "sine / gd / seeds 16-17"]
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys(study))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"seeds": 3},
        {"times": gfc.Times(end=2.0, count=3)},
        {"time_limit": 5.0},
        {"network": gfc.ReLUNetwork((1, 4, 1))},
        {"measure": gfc.measures.Uniform(0.0, 2.0)},
        {"initialization": gfc.initializations.He(scale=2.0)},
        {"initialization": gfc.initializations.Xavier()},
        {"targets": {"sine": gfc.targets.Sine(frequency=2.0)}},
        {"integrators": {"gd": gfc.integrator("gd", step_size=0.2)}},
        {"integrators": {"gd": gfc.integrator("sgd", step_size=0.1)}},
    ],
)
def test_everything_that_changes_numbers_changes_the_key(changes: dict[str, Any]) -> None:
    assert keys(tiny(**changes)) != keys(tiny())


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"description": "A sentence."},
        {"targets": {"renamed": gfc.targets.Sine()}},
        {"targets": {"as a function": gfc.targets.Sine(frequency=1)}},
        {"integrators": {"renamed": gfc.integrator("gd", step_size=0.1)}},
        {"times": gfc.Times(values=gfc.Times(end=1.0, count=3).array().tolist())},
    ],
)
def test_what_changes_no_number_keeps_the_key(changes: dict[str, Any]) -> None:
    assert keys(tiny(**changes)) == keys(tiny())


# ---------------------------------------------------------------------------------------------------
# Times
# ---------------------------------------------------------------------------------------------------


def test_times() -> None:
    np.testing.assert_allclose(gfc.Times(start=0.1, end=10.0, count=3).array(), [0, 0.1, 1, 10])
    np.testing.assert_array_equal(gfc.Times(spacing="linear", end=2.0, count=3).array(), [0, 1, 2])
    np.testing.assert_array_equal(gfc.Times(spacing="given", values=[1.0, 5.0]).array(), [0, 1, 5])
    np.testing.assert_array_equal(gfc.Times(values=[0.0, 5.0]).array(), [0, 5])


@given(st.floats(1e-6, 1.0), st.floats(2.0, 1e8), st.integers(2, 200), st.sampled_from(["log", "linear"]))
def test_times_increase_from_0_to_the_end(start: float, end: float, count: int, spacing: Any) -> None:
    times = gfc.Times(spacing=spacing, start=start, end=end, count=count).array()
    assert times[0] == 0
    assert times[-1] == end
    assert (np.diff(times) > 0).all()
    assert len(times) == count + (spacing == "log")


# ---------------------------------------------------------------------------------------------------
# Bad study files
# ---------------------------------------------------------------------------------------------------

SINE = "[targets.sine]"
TARGET = "Allowed: absolute-value, affine, constant,"

#: (what is replaced, by what, the message after the file's name; an initial part where it ends with ...)
BAD: list[tuple[str, str, str]] = [
    # Keys
    ("seeds = 2", "sedes = 2", "unknown key 'sedes'. Did you mean 'seeds'? Allowed: description, diag..."),
    ("end = 1.0", "ende = 1.0", "times: unknown key 'ende'. Did you mean 'end'? Allowed: count, end,..."),
    ("widths =", "width =", "network: unknown key 'width'. Did you mean 'widths'? Allowed: widths."),
    (SINE, f"{SINE}\nfrequncy = 2", "targets.sine: unknown key 'frequncy'. Did you mean 'frequency'?..."),
    (GD, "[integrators.gd]\nstep = 1", "integrators.gd: unknown key 'step'. Did you mean 'step_size'?..."),
    (
        GD,
        "[integrators.gd]\nname = 'gd'\ndeterministic = true",
        "integrators.gd: unknown key 'deterministic'....",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = {initial = 0.1, powr = 1}",
        "integrators.gd.step_size: unknown key 'powr'. Did you mean 'power'?...",
    ),
    # Missing keys
    ('name = "tiny"', "", "the key 'name' is missing."),
    (SINE, "", "the key 'targets' is missing."),
    (GD, "", "the key 'integrators' is missing."),
    ("widths = [1, 3, 1]", "", "network: the key 'widths' is missing, such as widths = [1, 16, 1]."),
    (
        SINE,
        "[targets.piecewise-linear]\nknots = [0, 1]",
        "targets.piecewise-linear: the key 'values' is missing.",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = {boundaries = [1]}",
        "integrators.gd.step_size: the key 'values' is...",
    ),
    (
        SINE,
        "[targets.stack]\ncomponents = [{frequency = 1}]",
        f"targets.stack.components[0]: the key 'name' is missing. {TARGET}...",
    ),
    # Names of components
    (SINE, "[targets.sinus]", f"targets.sinus: unknown target 'sinus'. Did you mean 'sine'? {TARGET}..."),
    (SINE, "[targets.a]\nname = 'sinus'", "targets.a: unknown target 'sinus'. Did you mean 'sine'?..."),
    (SINE, "[targets.a]\nname = 'zzz'", f"targets.a: unknown target 'zzz'. {TARGET}..."),
    (
        SINE,
        "[targets.stack]\ncomponents = [{name = 'sine'}, {name = 'sinus'}]",
        "targets.stack.components[1]: unknown target 'sinus'. Did you mean 'sine'?...",
    ),
    (
        GD,
        "[integrators.sdg]",
        "integrators.sdg: unknown integrator 'sdg'. Did you mean 'sgd'? Allowed: adagrad, ...",
    ),
    (
        GD,
        "[integrators.standard_gf]",
        "integrators.standard_gf: unknown integrator 'standard_gf'. Did you mean 'stan...",
    ),
    (
        GD,
        f"{GD}\n[measure]\nname = 'unifrom'",
        "measure: unknown measure 'unifrom'. Did you mean 'uniform'?...",
    ),
    (
        GD,
        f"{GD}\n[initialization]\nname = 'hee'",
        "initialization: unknown initialization 'hee'. Did you mean 'he'?...",
    ),
    (
        GD,
        f"{GD}\n[measure]\nlower = 0.0",
        "measure: the key 'name' is missing. Allowed: box, box-dens...",
    ),
    # Types
    ('name = "tiny"', "name = 3", "name: must be text, got 3."),
    ("seeds = 2", "seeds = '2'", "seeds: must be a whole number, got '2'."),
    ("seeds = 2", "seeds = 2.0", "seeds: must be a whole number, got 2.0."),
    ("seeds = 2", "seeds = true", "seeds: must be a whole number, got true."),
    ("seeds = 2", "seeds = [2, 3]", "seeds: must be a whole number, got [2, 3]."),
    ("seeds = 2", "seed = 1979-05-27", "seed: must be a whole number, got 1979-05-27."),
    ("seeds = 2", "seed = 1.5", "seed: must be a whole number, got 1.5."),
    ("seeds = 2", "description = 3", "description: must be text, got 3."),
    ("seeds = 2", "time_limit = 'long'", "time_limit: must be a number, got 'long'."),
    ("seeds = 2", "time_limit = true", "time_limit: must be a number, got true."),
    ("end = 1.0", "end = '1'", "times.end: must be a number, got '1'."),
    ("end = 1.0", "end = [1.0, 2.0]", "times: a grid is not allowed here."),
    ("count = 3", "count = 3.0", "times.count: must be a whole number, got 3.0."),
    ("end = 1.0", "values = 3.0", "times.values: must be a list of numbers, got 3.0."),
    ("end = 1.0", "values = [1.0, 'b']", "times.values[1]: must be a number, got 'b'."),
    (
        "end = 1.0",
        "spacing = 'lin'",
        "times.spacing: unknown value 'lin'. Did you mean 'linear'? Allowed: given, li...",
    ),
    ("end = 1.0", "spacing = 3", "times.spacing: must be 'log' or 'linear' or 'given', got 3."),
    (SINE, "[targets]\nsine = 3", "targets.sine: must be a table such as [targets.sine], got 3."),
    (SINE, "[targets.a]\nname = 3", "targets.a.name: must be text, got 3."),
    (
        SINE,
        f"{SINE}\nfrequency = 'a'",
        "targets.sine.frequency: must be a number or a list of numbers, got 'a'.",
    ),
    (
        SINE,
        f"{SINE}\nfrequency = true",
        "targets.sine.frequency: must be a number or a list of numbers, got true.",
    ),
    (SINE, f"{SINE}\nfrequency = [1, 'a']", "targets.sine.frequency[1]: must be a number... got 'a'."),
    (
        SINE,
        f"{SINE}\nfrequency = [[1], [2.0, 'a']]",
        "targets.sine.frequency[1][1]: must be a number, got 'a'.",
    ),
    (
        SINE,
        "[targets.polynomial]\ncoefficients = 3",
        "targets.polynomial.coefficients: must be a list of numbers...",
    ),
    (
        SINE,
        "[targets.polynomial]\ncoefficients = ['a']",
        "targets.polynomial.coefficients[0]: must be a number, got...",
    ),
    (
        SINE,
        "[targets.polynomial]\ncoefficients = [1, [2]]",
        "targets.polynomial.coefficients[0]: must be a list...",
    ),
    (
        SINE,
        "[targets.polynomial]\ncoefficients = [[1, 'a']]",
        "targets.polynomial.coefficients[0][1]: must be a number,...",
    ),
    (SINE, "[targets.table]\npath = 3", "targets.table.path: must be the path of a file, got 3."),
    (SINE, "[targets.stack]\ncomponents = 3", "targets.stack.components: must be a list of tables, got 3."),
    (
        SINE,
        "[targets.stack]\ncomponents = ['sine']",
        "targets.stack.components[0]: must be a table such as...",
    ),
    (
        GD,
        f"{GD}\n[initialization]\nname = 'he'\non_manifold = 1",
        "initialization.on_manifold: must be true or false, got 1.",
    ),
    (
        GD,
        f"{GD}\n[initialization]\nname = ['he', 'xavier']",
        "initialization.name: must be text, got ['he', 'xavier'].",
    ),
    (
        GD,
        f"{GD}\n[measure]\nname = 'piecewise-polynomial'\nknots = [0, 1]\ncoefficients = [1]",
        "measure.coefficients[0]: must be a list of numbers, got 1.",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = 'a'",
        "integrators.gd.step_size: must be a number, a table with schedule...",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = [0.1, 'a']",
        "integrators.gd.step_size[1]: must be a number, a table...",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = []",
        "integrators.gd.step_size: must be a number, a table with schedule...",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = {}",
        "integrators.gd.step_size: must be a number, a table with schedule...",
    ),
    (GD, "[integrators.gd]\nnormalize = 1", "integrators.gd.normalize: must be true or false, got 1."),
    (
        GD,
        "[integrators.gd]\nstep_size = {schedule = 'poly', initial = 1}",
        "integrators.gd.step_size: unknown schedule 'poly'. Did you mean 'polynomial'?...",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = {boundaries = [10.5], values = [1, 2]}",
        "integrators.gd.step_size.boundaries[0]: must be a whole number, got 10.5.",
    ),
    (
        GD,
        "[integrators.sgd]\nbatch_size = 3.5",
        "integrators.sgd.batch_size: must be a whole number, got 3.5.",
    ),
    (GD, "[integrators.standard-gf]\natol = 'x'", "integrators.standard-gf.atol: must be a number, got 'x'."),
    (
        GD,
        "[integrators.standard-gf]\nmethod = 'rk'",
        "integrators.standard-gf.method: unknown value 'rk'. Did you mean 'rkc'? A...",
    ),
    # Values out of range
    ("seeds = 2", "seeds = 0", "seeds must be at least 1, got 0."),
    ("seeds = 2", "seed = -1", "seed must not be negative, got -1."),
    ("seeds = 2", "time_limit = 0", "time_limit must be positive, got 0.0."),
    ("seeds = 2", "time_limit = nan", "time_limit must be positive, got nan."),
    ("end = 1.0", "end = -1.0", "times: end must be positive and finite, got -1.0."),
    ("end = 1.0", "end = inf", "times: end must be positive and finite, got inf."),
    ("end = 1.0", "start = 2.0\nend = 1.0", "times: start must lie between 0 and end = 1, got 2."),
    ("end = 1.0", "start = nan", "times: start must lie between 0 and end = 1000, got nan."),
    ("count = 3", "count = 1", "times: count must be at least 2, got 1."),
    ("end = 1.0", "spacing = 'given'", "times: spacing 'given' needs values, such as values = [1.0, 10.0]."),
    ("end = 1.0", "values = [2, 1]", "times: save times must increase strictly, from 0 or later."),
    ("end = 1.0", "values = [-1, 1]", "times: save times must increase strictly, from 0 or later."),
    ("end = 1.0", "values = [1, nan]", "times: save times must be a list of finite numbers."),
    (
        GD,
        "[integrators.gd]\nstep_size = -0.1",
        "integrators.gd: step_size must be positive and finite, got -0.1.",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = 0",
        "integrators.gd: step_size must be positive and finite, got 0.0.",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = nan",
        "integrators.gd: step_size must be positive and finite, got nan.",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = [0.1, inf]",
        "integrators.gd: step_size must be positive and finite, got inf.",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = {initial = -1}",
        "integrators.gd.step_size: initial must be positive, got -1...",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = {boundaries = [9, 5], values = [1, 1, 1]}",
        "integrators.gd.step_size: boundaries must be increasing...",
    ),
    (
        GD,
        "[integrators.gd]\nstep_size = {boundaries = [9], values = [1]}",
        "integrators.gd.step_size: 1 boundaries need...",
    ),
    (
        GD,
        "[integrators.sgd]\nbatch_size = 0",
        "integrators.sgd: batch_size must be at least 1, a whole number, got 0.",
    ),
    (
        GD,
        "[integrators.standard-gf]\nrtol = 2.0",
        "integrators.standard-gf: rtol must lie between 1e-14 and 0.1, got 2.",
    ),
    (GD, "[integrators.standard-gf]\natol = -1", "integrators.standard-gf: atol must be positive, got -1.0."),
    (
        GD,
        "[integrators.normalized-gf]\nmax_steps = 0",
        "integrators.normalized-gf: max_steps must be at least 1, got 0.",
    ),
    (
        GD,
        f"{GD}\n[measure]\nname = 'uniform'\nlower = 1.0",
        "measure: the interval must have finite ends with lower <...",
    ),
    (
        GD,
        f"{GD}\n[measure]\nname = 'piecewise-polynomial'\nknots = [0, 1]\ncoefficients = [[-1]]",
        "measure: the density is negative (-1) at x = ...",
    ),
    (
        GD,
        f"{GD}\n[initialization]\nname = 'he'\nscale = -1",
        "initialization: scale must be finite and not negative,...",
    ),
    (SINE, "[targets.polynomial]\ncoefficients = []", "targets.polynomial: coefficients must not be empty."),
    (
        SINE,
        "[targets.polynomial]\ncoefficients = [1, nan]",
        "targets.polynomial: coefficients must be finite numbers.",
    ),
    (SINE, f"{SINE}\nfrequency = []", "targets.sine: frequency must be a number or a list of K numbers."),
    (SINE, "[targets.stack]\ncomponents = []", "targets.stack: components must not be empty."),
    (
        SINE,
        "[targets.piecewise-linear]\nknots = [1, 0]\nvalues = [1, 2]",
        "targets.piecewise-linear: knots must...",
    ),
    (
        SINE,
        "[targets.piecewise-linear]\nknots = [0, 1]\nvalues = [1]",
        "targets.piecewise-linear: 2 knots need...",
    ),
    # Widths and shapes
    *(
        ("[1, 3, 1]", widths, f"network.widths: widths must be at least three positive integers{rest}")
        for widths, rest in [
            ("[1, 3]", " (input, hidden..., output), got [1, 3]."),
            ("[1, 0, 1]", " (input, hidden..., output), got [1, 0, 1]."),
            ("[-1, 3, 1]", "..."),
            ("[]", "..."),
            ("[[1, 3, 1], [1, 4]]", " (input, hidden..., output), got [1, 4]."),
        ]
    ),
    ("[1, 3, 1]", "[1, 3.0, 1]", "network.widths[1]: must be a whole number, got 3.0."),
    ("[1, 3, 1]", "[true, 3, 1]", "network.widths[0]: must be a whole number, got true."),
    ("[1, 3, 1]", "'1-3-1'", "network.widths: must be a list of whole numbers, got '1-3-1'."),
    ("[1, 3, 1]", "3", "network.widths: must be a list of whole numbers, got 3."),
    ("[1, 3, 1]", "[[1, 3, 1], 4]", "network.widths[1]: must be a list of whole numbers, got 4."),
    ("[1, 3, 1]", "[[1, 3, 1], [1, 'a', 1]]", "network.widths[1][1]: must be a whole number, got 'a'."),
    (
        "[1, 3, 1]",
        "[2, 3, 1]",
        "problem 'sine': the network has d = 2 inputs (widths [2, 3, 1]), the measure 'uniform' d = 1, "
        "the target 'sine' d = 1; they must agree: use widths [1, 3, 1].",
    ),
    (
        "[1, 3, 1]",
        "[1, 3, 2]",
        "problem 'sine': the target has K = 1 output...use widths [1, 3, 1], or another target.",
    ),
    (
        SINE,
        f"{SINE}\nfrequency = [1, 2]",
        "problem 'sine': the target has K = 2 outputs, the network K = 1: use widths [1, 3...",
    ),
    (
        SINE,
        "[targets.piecewise-linear]\nknots = [0, 0.5]\nvalues = [1, 2]",
        "problem 'piecewise-linear': the knots cover [0, 0.5], but the measure lives on [0, 1].",
    ),
    # Empty, twice, illegal
    (SINE, "[targets]", "targets must name at least one."),
    (GD, "[integrators]", "integrators must name at least one."),
    (SINE, "[[targets.sine]]\n[[targets.sine]]", "targets.sine: the grid has the same value twice: Sine(..."),
    (
        GD,
        "[integrators.gd]\nstep_size = [0.1, 0.1]",
        "integrators.gd: the grid has the same value twice: Gradi...",
    ),
    ("[1, 3, 1]", "[[1, 3, 1], [1, 3, 1]]", "network.widths: the grid has the same value twice:..."),
    (
        GD,
        "[integrators.gd]\nstep_size = [1, 2]\n[integrators.'gd[step 1]']\nname = 'gd'",
        "integrators: the name 'gd[step 1]' occurs twice.",
    ),
    *(
        (
            SINE,
            f'[targets."{name}"]\nname = "sine"',
            "targets: a name starts with a letter, a digit or '_'...",
        )
        for name in ["a/b", r"a\\b", "", ".", "..", " a", "a ", "-x", "[a]", "a\\tb", "x" * 81]
    ),
    (
        GD,
        "[integrators.'a/b']\nname = 'gd'",
        "integrators: a name starts with a letter, a digit or '_'..., got 'a/b'.",
    ),
    *(
        ('name = "tiny"', f'name = "{name}"', "name: a name starts with a letter, a digit or '_'...")
        for name in ["a/b", "", "..", " "]
    ),
    # Python functions
    (
        SINE,
        "[targets.function]",
        "targets.function: 'function' takes a Python function, so it needs a study script...",
    ),
    (
        SINE,
        "[targets.function]\nfunction = 'sin'",
        "targets.function.function: must be a Python function, so it...",
    ),
    (
        GD,
        f"{GD}\n[measure]\nname = 'density'",
        "measure: 'density' takes a Python function, so it needs a study...",
    ),
    # Tables of points
    (SINE, "[targets.table]\npath = 'none.csv'", "targets.table: no file '...none.csv'."),
    (SINE, "[targets.table]\npath = '.'", "targets.table: no file '..."),
    (
        SINE,
        "[targets.table]\npath = 'columns.csv'",
        "targets.table: unknown column of ...columns.csv 'y'. Allowed: values, x.",
    ),
    (
        SINE,
        "[targets.table]\npath = 'columns.csv'\ny = 'value'",
        "targets.table: unknown column of ... Did you mean 'values'?...",
    ),
    (SINE, "[targets.table]\npath = 'empty.csv'", "targets.table: ..."),
    (SINE, "[targets.table]\npath = 'binary.csv'", "targets.table: ..."),
    (SINE, "[targets.table]\npath = 'binary.nc'", "targets.table: ..."),
    (
        SINE,
        "[targets.table]\npath = 'gap.csv'",
        "targets.table: ...gap.csv: row 2, column 'y': a missing or infinite number.",
    ),
    (
        SINE,
        "[targets.table]\npath = 'short.csv'",
        "problem 'table': the points of ...short.csv cover [0, 0.5], but the...",
    ),
    (
        SINE,
        "[targets.table]\npath = 'short.csv'\ninterpolation = 'spline'",
        "targets.table.interpolation: unknown value...",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), BAD, ids=[f"{n}-{b[1][-40:]!r}" for n, b in enumerate(BAD)]
)
def test_bad_input(study_file: Write, tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "columns.csv").write_text("x,values\n0,1\n1,2\n")
    (tmp_path / "gap.csv").write_text("x,y\n0,1\n0.5,\n1,2\n")
    (tmp_path / "short.csv").write_text("x,y\n0,1\n0.5,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "binary.nc").write_bytes(bytes(range(256)))
    path = study_file((old, new))
    with pytest.raises(gfc.InputError) as caught:
        gfc.Study.from_toml(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    pattern = ".*".join(re.escape(part) for part in message.split("..."))
    assert re.fullmatch(pattern, said.removeprefix(f"{path}: "), flags=re.DOTALL), said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = ", "not valid TOML: "),
        (b'name = "a"\nname = "b"', "not valid TOML: "),
        (b"\xff\xfe\x00", "is not a text file in UTF-8"),
        (b"", "the key 'name' is missing"),
        (
            b'name = "a"\ntimes = 3\n[targets.sine]\n[integrators.gd]',
            "times: must be a table such as [times]",
        ),
        (b'name = "a"\nnetwork = [1]\n[targets.sine]\n[integrators.gd]', "network: must be a table such as"),
        (b'name = "a"\ntargets = 3\n[integrators.gd]', "targets: must be a table such as [targets], got 3."),
        (
            b'name = "a"\nmeasure = "uniform"\n[targets.sine]\n[integrators.gd]',
            "measure: must be a table such as",
        ),
        (
            b'name = "a"\nmeasure = []\n[targets.sine]\n[integrators.gd]',
            "measure: must not be an empty list.",
        ),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(gfc.InputError, match=re.escape(f"{path}: {message}")):
        gfc.Study.from_toml(path)


@pytest.mark.parametrize(("name", "cause"), [("none.toml", "No such file"), (".", "directory")])
def test_files_that_cannot_be_read(tmp_path: Path, name: str, cause: str) -> None:
    with pytest.raises(gfc.InputError, match=rf"cannot be read \(.*{cause}.*\)"):
        gfc.Study.from_toml(tmp_path / name)


# ---------------------------------------------------------------------------------------------------
# Bad input in Python
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, "name: a name starts with"),
        ({"name": ".."}, "name: a name starts with"),
        ({"seeds": 2.5}, "seeds: must be a whole number, got 2.5"),
        ({"seeds": True}, "seeds: must be a whole number, got True"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"seed": "a"}, "seed: must be a whole number, got 'a'"),
        ({"seed": -1}, "seed must not be negative"),
        ({"description": None}, "description: must be text"),
        ({"time_limit": "1 h"}, "time_limit: must be a number"),
        ({"time_limit": -1.0}, "time_limit must be positive"),
        ({"times": [1.0, 2.0]}, "times: must be gfcompare.Times"),
        ({"targets": gfc.targets.Sine()}, "targets: must be a mapping from names to components"),
        ({"targets": {}}, "targets must name at least one target"),
        ({"targets": {"a": "sine"}}, "targets.a must be a gfcompare.Target or a list of them, got 'sine'"),
        ({"targets": {"a": gfc.targets.Sine}}, "targets.a must be a gfcompare.Target"),
        ({"targets": {"a": []}}, "targets.a must not be an empty list"),
        ({"targets": {"a/b": gfc.targets.Sine()}}, "targets: a name starts with"),
        ({"targets": {3: gfc.targets.Sine()}}, "targets: a name starts with"),
        ({"targets": {"a": gfc.targets.Sine(frequency=[1, 2])}}, "problem 'a': the target has K = 2 outputs"),
        ({"integrators": {}}, "integrators must name at least one method"),
        ({"integrators": {"gd": gfc.targets.Sine()}}, "integrators.gd must be a gfcompare.Integrator"),
        ({"network": (1, 3, 1)}, "network must be a gfcompare.ReLUNetwork or a list of them, got (1, 3, 1)"),
        ({"network": gfc.ReLUNetwork((2, 3, 1))}, "problem 'sine': the network has d = 2 inputs"),
        ({"measure": "uniform"}, "measure must be a gfcompare.Measure or a list of them, got 'uniform'"),
        ({"initialization": []}, "initialization must not be an empty list"),
    ],
)
def test_bad_input_in_python(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(gfc.InputError, match=re.escape(message)):
        tiny(**changes)


def test_numbers_of_numpy_are_numbers() -> None:
    study = tiny(seeds=np.int64(2), seed=np.uint32(3), time_limit=np.float64(2.0))
    assert keys(study) == keys(tiny(seed=3, time_limit=2.0))


@dataclass(frozen=True)
class Faulty(gfc.Target):
    """A target of somebody else with a mistake in it."""

    name: ClassVar[str] = "faulty"
    where: str = "on"
    data: Sequence[float] = ()

    @property
    def outputs(self) -> int:
        return 1

    def on(self, lower: float, upper: float) -> gfc.piecewise.PiecewisePolynomial:
        raise KeyError("forgotten")


def test_a_target_that_raises_is_named() -> None:
    with pytest.raises(
        gfc.InputError, match="problem 'mine': 'faulty' or 'uniform' raised KeyError: 'forgotten'"
    ) as e:
        tiny(targets={"mine": Faulty()})
    assert isinstance(e.value.__cause__, KeyError)  # in Python its author sees where


def test_a_function_is_known_by_the_globals_it_uses():
    """A constant or a helper of a script that changes is another function: no cell may be reused for it."""
    source = "def helper(x):\n    return FACTOR * x\ndef target(x):\n    return helper(x)\n"

    def described(factor, source=source):
        names = {"FACTOR": factor, "__name__": "script"}
        exec(source, names)
        return identity(names["target"])

    assert described(1.0) == described(1.0)
    assert described(1.0) != described(2.0)
    assert described(1.0) != described(1.0, source.replace("FACTOR * x", "FACTOR * x * x"))
    recursive = "def target(x):\n    return target(x - 1) if FACTOR else x\n"
    assert described(1.0, recursive) == described(1.0, recursive)
