"""Work-precision studies: what is varied, errors against independent ones, files, diagrams, the command."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import matplotlib.colors
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from support import ROOT, Once, assert_same_bits, examples, gfcompare, in_process, refused

import gfcompare as gfc
from gfcompare import cli, work_precision
from gfcompare.components.errors import InputError
from gfcompare.diagnostics.function_space import difference_network
from gfcompare.figures import work_precision as diagrams
from gfcompare.figures.saving import FORMATS
from gfcompare.work_precision import contents
from gfcompare.work_precision.errors import Comparison, Trajectories
from gfcompare.work_precision.running import distinct, reference_methods
from gfcompare.work_precision.settings import FACTORS, TOLERANCES, method_sweeps, refined

Write = Callable[..., Path]
SINE = {"sine": gfc.targets.Sine()}
LADDER = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)


def study(integrators: dict, targets: dict = SINE, **options) -> gfc.Study:
    options = {"network": gfc.ReLUNetwork((1, 4, 1)), "seeds": 3, "seed": 5} | options
    times = gfc.Times(start=0.1, end=10.0, count=6)
    return gfc.Study("precision", targets=targets, integrators=integrators, times=times, **options)


@pytest.fixture(scope="module")
def small() -> gfc.Study:
    """Two problems; flows off and on M, one that ends early at one setting; descent; one left out."""
    return study(
        {
            "standard-gf": gfc.integrator("standard-gf"),
            "normalized-gf": gfc.integrator("normalized-gf"),
            "gd": gfc.integrator("gd", step_size=0.04),
            "gd on M": [gfc.integrator("gd", normalize=True, step_size=h) for h in (0.002, 0.004)],
            "short": [gfc.integrator("standard-gf", rtol=r, max_steps=100) for r in (1e-3, 1e-9)],
            "sgd": gfc.integrator("sgd", step_size=0.02, batch_size=4),
            "l-bfgs": gfc.integrator("l-bfgs"),
        },
        {"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
    )


@pytest.fixture(scope="module")
def folder(small: gfc.Study, once: Once) -> Path:
    return once("work precision", lambda folder: work_precision.run(small, folder, jobs=1))


@pytest.fixture
def own_folder(folder: Path, tmp_path: Path) -> Path:
    """A copy, in which a test may run the study again."""
    return Path(shutil.copytree(folder, tmp_path / "precision"))


@pytest.fixture
def tree(folder: Path) -> xr.DataTree:
    return work_precision.read(folder)


# What is varied


def test_a_flow_is_run_over_tolerances_and_descent_over_step_sizes() -> None:
    atol = gfc.integrator("standard-gf", rtol=1e-4, atol=1e-7)
    found = method_sweeps(study({"flow": atol, "gd": gfc.integrator("gd", step_size=0.1)}))
    assert [(line.name, line.varied) for line in found] == [("flow", "rtol"), ("gd", "step_size")]
    assert found[0].values == TOLERANCES == LADDER
    assert [m.rtol for m in found[0].methods] == list(LADDER)
    assert np.allclose([m.atol for m in found[0].methods], 1e-3 * np.array(LADDER), rtol=1e-14)
    assert found[1].values == tuple(0.1 * factor for factor in FACTORS) == tuple(0.1 / 2**k for k in range(6))
    assert [m.step_size for m in found[1].methods] == list(found[1].values)
    assert found[0].labels[:2] == ("flow[rtol 0.001]", "flow[rtol 0.0001]")


def test_a_list_in_the_study_is_what_is_run_and_families_are_lines() -> None:
    flows = [gfc.integrator("standard-gf", method=m) for m in ("ndf", "bdf")]
    steps = [gfc.integrator("gd", step_size=h, normalize=n) for h in (0.01, 0.3, 0.1) for n in (False, True)]
    found = method_sweeps(study({"flow": flows, "gd": steps, "one": gfc.integrator("gd")}))
    assert [line.name for line in found] == [
        *("flow[method ndf]", "flow[method bdf]"),
        *("gd[normalize false]", "gd[normalize true]", "one"),
    ]
    assert [line.methods[0].method for line in found[:2]] == ["ndf", "bdf"]
    assert found[2].values == found[3].values == (0.3, 0.1, 0.01)
    assert [m.normalize for m in found[3].methods] == [True] * 3
    assert [line.on_manifold for line in found] == [False, False, False, True, False]


def test_given_tolerances_are_those_of_every_flow() -> None:
    some = {"flow": gfc.integrator("standard-gf"), "gd": gfc.integrator("gd")}
    found = method_sweeps(study(some), (1e-9, 1e-5, 1e-9))
    assert [line.values for line in found] == [(1e-5, 1e-9), tuple(0.01 * f for f in FACTORS)]


def test_of_a_flow_with_a_step_size_that_is_varied() -> None:
    (line,) = method_sweeps(study({"modified-flow": gfc.integrator("modified-flow", step_size=0.2)}))
    assert (line.varied, line.values) == ("step_size", tuple(0.2 * f for f in FACTORS))


@pytest.mark.parametrize(
    ("methods", "tolerances", "message"),
    [
        (
            ["l-bfgs"],
            (),
            r"no method of the study has an option rtol or step_size.*\[integrators.standard-gf\]",
        ),
        (["gd"], (1e-5,), "rtol is given, but no method of the study has a tolerance"),
        (["standard-gf"], (5.0,), "rtol must lie between 1e-14 and 0.1, got 5"),
    ],
)
def test_what_cannot_be_varied_is_refused(methods, tolerances, message) -> None:
    with pytest.raises(InputError, match=message):
        method_sweeps(study({name: gfc.integrator(name) for name in methods}), tolerances)


@given(st.floats(1e-4, 1.0), st.floats(0.1, 2.0), st.floats(0.5, 50.0), st.sampled_from([0.5, 0.125]))
def test_a_schedule_is_refined_at_each_flow_time(initial, power, scale, factor) -> None:
    rule = gfc.PolynomialDecay(initial, power, scale)
    coarse, fine = rule.step_sizes(0, 100), refined(rule, factor).step_sizes(0, round(100 / factor))
    every = round(1 / factor)
    assert np.allclose(fine[::every], factor * coarse, rtol=1e-12)
    steps = gfc.PiecewiseConstant([7, 20], [initial, initial / 2, initial / 3])
    coarse, fine = steps.step_sizes(0, 40), refined(steps, factor).step_sizes(0, 40 * every)
    assert np.allclose(np.cumsum(fine)[every - 1 :: every], np.cumsum(coarse), rtol=1e-12)


# Errors


@examples(30)
@given(
    st.sampled_from([(1, 3, 1), (2, 3, 2), (1, 4, 3, 2), (3, 2, 2, 2, 1)]),
    st.integers(0, 2**32 - 1),
)
def test_the_difference_of_two_networks_is_a_network(widths, seed) -> None:
    network, rng = gfc.ReLUNetwork(widths), np.random.default_rng(seed)
    one, two = rng.normal(size=(2, 5, network.parameter_count))
    x = rng.normal(size=(11, widths[0]))
    doubled, joined = difference_network(network, one, two)
    found = doubled.realize(joined, x)
    assert np.allclose(found, network.realize(one, x) - network.realize(two, x), rtol=0, atol=1e-12)


def two_networks(problem: gfc.Problem, apart: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    theta = rng.normal(size=problem.network.parameter_count)
    return np.stack([theta + apart * rng.normal(size=theta.size), theta])


@pytest.mark.parametrize("widths", [(1, 5, 1), (1, 4, 3, 1)])
@pytest.mark.parametrize("apart", [1.0, 1e-4])
def test_distance_of_functions_is_that_of_quadrature(widths, apart) -> None:
    """Against QUADPACK, split at the breakpoints of both networks, for a density that is not constant."""
    measure = gfc.measures.TruncatedNormal(lower=-1.0, upper=2.0, mean=0.3, standard_deviation=0.7)
    problem = gfc.Problem(gfc.ReLUNetwork(widths), gfc.targets.Sine(), measure)
    network, (one, two) = problem.network, two_networks(problem, apart)
    knots = np.unique([b.position for t in (one, two) for b in network.breakpoints(t, -1.0, 2.0)])

    def square(x: float) -> float:
        apart = network.realize(one, [x])[0, 0] - network.realize(two, [x])[0, 0]
        return float(apart**2 * problem.density(np.array([x]))[0, 0])

    ends = [-1.0, *knots, 2.0]
    expected = sum(quad(square, a, b, epsabs=0, epsrel=1e-11)[0] for a, b in itertools.pairwise(ends))
    assert Comparison(problem).distance(one, two) == pytest.approx(np.sqrt(expected), rel=1e-8)
    assert Comparison(problem).size(one) == pytest.approx(
        np.sqrt(gfc.Problem(network, gfc.targets.Constant(0.0), measure).risk(one)), rel=1e-14
    )


def test_distance_of_functions_is_resolved_down_to_rounding() -> None:
    problem = gfc.Problem(gfc.ReLUNetwork((1, 8, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    compare, (_, theta) = Comparison(problem), two_networks(problem, 1.0)
    direction = two_networks(problem, 1.0)[0] - theta
    far, near = (float(compare.distance(theta + h * direction, theta)) / h for h in (1e-5, 1e-11))
    assert near == pytest.approx(far, rel=1e-3)  # the second difference, 1e-5, and rounding, 1e-4


def test_distance_of_functions_on_points_and_on_a_square() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    points = gfc.measures.Points(data=x.tolist(), observed=y.tolist())
    problem = gfc.Problem(gfc.ReLUNetwork((2, 6, 2)), gfc.targets.Labels(), points)
    one, two = two_networks(problem, 0.3)
    apart = problem.network.realize(one, x) - problem.network.realize(two, x)
    expected = np.sqrt(np.mean(np.sum(apart**2, axis=1)))
    assert Comparison(problem).distance(one, two) == pytest.approx(expected, rel=1e-12)

    square = gfc.measures.Box(lower=-1.0, upper=1.0, dimension=2)
    target = gfc.targets.Affine(slope=[[1.0, 0.0], [0.0, 1.0]], intercept=[0.0, 0.0])
    problem = gfc.Problem(problem.network, target, square, gfc.Quadrature(nodes=256))
    axis = (np.arange(800) + 0.5) / 400 - 1  # the midpoint rule
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    apart = problem.network.realize(one, grid) - problem.network.realize(two, grid)
    expected = np.sqrt(np.mean(np.sum(apart**2, axis=1)))
    assert Comparison(problem).distance(one, two) == pytest.approx(expected, rel=1e-4)


def trajectories(theta: np.ndarray, flow_time: np.ndarray, risk: np.ndarray, complete: list) -> Trajectories:
    return Trajectories(theta, flow_time, risk, np.array(complete))


def test_errors_are_the_largest_over_the_flow_times_reached() -> None:
    """Network 1-1-1 with theta = (w, b, v, c) on [0, 1], w = 1, b = 0: the function is v x + c."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    clock = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    right = np.array([[1.0, 0.0, 2.0 + t, 0.0] for t in clock])
    reference = trajectories(
        np.stack([right] * 4), np.tile(clock, (4, 1)), np.tile(clock + 1.0, (4, 1)), [True, True, True, False]
    )
    reached = np.array([0.0, 1.0, 2.0 * (1 + 1e-15), 3.0])
    off = np.array([[9.0, 9.0], [0.0, 0.3], [0.1, 0.0], [0.2, -0.1]])  # of v and c; it is still at its start
    theta = np.array([[1.0, 0.0, 2.0 + t + v, c] for t, (v, c) in zip(reached, off, strict=True)])
    found = trajectories(
        np.stack([theta] * 4),
        np.stack([reached, reached, np.zeros(4), reached]),
        np.tile([1.0, 2.0, 3.0, 4.4], (4, 1)),
        [True, False, True, True],
    )
    errors = Comparison(problem).errors(found, reference)
    largest = 0.3 / np.sqrt(1 + 5.0**2)
    # |a x + c|^2 on [0, 1] is a^2 / 3 + a c + c^2; of the reference, a = 5 at the last time.
    squares = [0.09, 0.01 / 3, 0.04 / 3 - 0.02 + 0.01]
    expected = {"theta": largest, "function": np.sqrt(max(squares) / (25 / 3)), "risk": 0.1}
    for name, value in expected.items():
        assert errors[name][0] == pytest.approx(value, rel=1e-13)
        # One that ended early, one that made no step, one without a reference.
        assert errors[name][1:].tolist() == pytest.approx([np.inf, np.inf, np.nan], nan_ok=True)


@given(st.lists(st.floats(0.0, 1e6), min_size=1), st.floats(0.0, 1e-13))
def test_distinct_times_increase_and_stand_for_all(times, jitter) -> None:
    given_times = np.array([*times, *(t * (1.0 + jitter) for t in times), np.nan])
    found = distinct(given_times)
    assert (np.diff(found) > 0).all()
    known = given_times[np.isfinite(given_times)]
    assert np.isin(found, known).all()
    nearest = np.abs(found[:, None] - known).min(axis=0)
    assert (nearest <= 3e-12 * known).all()


def test_errors_against_another_solver(small: gfc.Study, folder: Path, tree: xr.DataTree) -> None:
    """Against SciPy's DOP853 on the gradient, for one seed, at the flow times that the methods reached."""
    spec, seed = small.problems[0], 1
    runs = gfc.open_study(folder / "work-precision" / "settings")[spec.name].to_dataset().sel(seed=seed)
    start = spec.initial(small.seed, seed)
    for method, setting, value in (("standard-gf", 1, "rtol 0.0001"), ("gd", 2, "step 0.01")):
        one = runs.sel(integrator=f"{method}[{value}]")
        layers = [(one[f"weight_{k}"].values, one[f"bias_{k}"].values) for k in (1, 2)]
        theta, clock = spec.network.join(layers)[1:], one["flow_time"].values[1:]
        right = solve_ivp(
            lambda _, y: -spec.problem.gradient(y),
            (0.0, clock[-1]),
            start,
            method="DOP853",
            t_eval=clock,
            rtol=1e-10,
            atol=1e-12,
        ).y.T
        expected = np.linalg.norm(theta - right, axis=1).max() / np.linalg.norm(right, axis=1).max()
        stored = tree[spec.name].to_dataset().sel(integrator=method, seed=seed).isel(setting=setting)
        assert float(stored["theta_error"]) == pytest.approx(expected, rel=1e-3)
        risk, right_risk = spec.problem.risk(theta[-1]), spec.problem.risk(right[-1])
        assert float(stored["risk_error"]) == pytest.approx(abs(risk - right_risk) / right_risk, rel=1e-3)
        assert int(stored["gradient_evaluations"]) == int(one["gradient_evaluations"][-1])
        assert int(stored["steps"]) == int(one["steps"][-1])
        assert float(stored["wall_time"]) == float(one["wall_time"][-1])


def test_observed_orders_are_those_of_the_methods(tree: xr.DataTree) -> None:
    for error in ("theta", "function"):
        found = work_precision.orders(tree, error)
        for problem in ("sine", "step"):
            assert found[problem, "gd"] == pytest.approx(1.0, abs=0.15)
            assert found[problem, "gd on M"] == pytest.approx(1.0, abs=0.15)
            assert 0.7 < found[problem, "standard-gf"] < 1.15  # nearly proportional to the tolerance
            assert 0.7 < found[problem, "normalized-gf"] < 1.15


def test_the_reference_is_more_accurate_than_any_method(tree: xr.DataTree) -> None:
    table = work_precision.summary(tree)
    for error in ("theta", "function"):
        for problem, unsure in work_precision.uncertainty(tree, error).items():
            errors = table.loc[(table["problem"] == problem) & (table["method"] != "short"), error]
            assert 0 < unsure < errors.min()
            assert unsure < 1e-8


def test_the_reference_where_the_risk_is_smooth_and_on_points() -> None:
    for on, name in ((False, "standard-gf"), (True, "normalized-gf")):
        best, less = reference_methods(on, smooth=True)
        assert (best.name, best.method, best.rtol, less.method, less.rtol) == (
            name,
            "bdf",
            1e-12,
            "auto",
            1e-11,
        )
        assert reference_methods(on, smooth=False)[0].method == "auto"


# What is stored


def test_every_variable_has_its_meaning_and_the_study_is_there(small: gfc.Study, tree: xr.DataTree) -> None:
    assert json.loads(tree.attrs["study"]) == json.loads(json.dumps(small.spec()))
    assert tree.attrs["work_precision_version"] == contents.VERSION
    assert {"created", "gfcompare_version", "plugins", "environment"} <= set(tree.attrs)
    for name in ("sine", "step"):
        data = tree[name].to_dataset()
        assert set(data.variables) == set(contents.VARIABLES)
        for key, meaning in contents.VARIABLES.items():
            assert data[key].dims == meaning.dims
            assert data[key].attrs["long_name"] == meaning.long_name
            assert data[key].attrs["units"] == meaning.units
        assert data.attrs["problem"] == name
        assert [d["name"] for d in json.loads(data.attrs["reference"])] == [
            *["standard-gf"] * 2,
            *["normalized-gf"] * 2,
        ]


def test_methods_with_fewer_settings_are_filled_up(tree: xr.DataTree) -> None:
    data = tree["sine"].to_dataset()
    assert data.sizes == {"integrator": 6, "setting": 8, "seed": 3}
    assert data["integrator"].values.tolist() == [
        *("standard-gf", "normalized-gf", "gd", "gd on M", "short", "sgd"),
    ]
    pair = data.sel(integrator="gd on M")
    assert pair["step_size"].values[:2].tolist() == [0.004, 0.002]
    assert np.isnan(pair["rtol"]).all()
    rest = pair.isel(setting=slice(2, None))
    assert (rest["status"] == -1).all()
    assert (rest["gradient_evaluations"] == -1).all()
    assert np.isnan(rest["theta_error"]).all()
    assert data["status"].attrs["flag_meanings"].split()[:3] == ["not_run", "running", "reached_end"]
    assert data["status"].attrs["flag_values"].tolist() == [-1, *(s.value for s in gfc.Status)]
    assert data["on_manifold"].values.tolist() == [0, 1, 0, 1, 0, 0]
    assert (data["reference_status"].isin([1, 2])).all()


def test_a_trajectory_that_ended_early_has_an_infinite_error(tree: xr.DataTree) -> None:
    short = tree["sine"].to_dataset().sel(integrator="short")
    assert short["rtol"].values[:2].tolist() == [1e-3, 1e-9]
    assert (short["status"][0] == gfc.Status.REACHED_END).all()
    assert (short["status"][1] == gfc.Status.STEP_LIMIT).all()
    assert np.isfinite(short["theta_error"][0]).all()
    for error in ("theta", "function", "risk"):
        assert np.isposinf(short[f"{error}_error"][1]).all()
    assert all("100 steps made" in message for message in short["message"].values[1])
    table = work_precision.summary(tree)
    rows = table[(table["method"] == "short") & (table["problem"] == "sine")]
    assert rows["failed"].tolist() == [0.0, 1.0]
    assert np.isposinf(rows["theta"].iloc[1])
    assert np.isnan(work_precision.orders(tree)["sine", "short"])


def test_the_table_has_medians_over_seeds(tree: xr.DataTree) -> None:
    table = work_precision.summary(tree)
    assert len(table) == 2 * (8 + 8 + 6 + 2 + 2 + 6)
    row = table[(table["problem"] == "step") & (table["method"] == "sgd")].iloc[3]
    one = tree["step"].to_dataset().sel(integrator="sgd").isel(setting=3)
    assert (row["option"], row["value"]) == ("step_size", 0.02 / 8)
    for column, name in (("theta", "theta_error"), ("function", "function_error"), ("risk", "risk_error")):
        assert row[column] == np.median(one[name])
    assert row["gradients"] == 0
    assert row["sample gradients"] == 4 * row["value"] ** -1 * 10
    assert row["seconds"] == np.median(one["wall_time"])


@pytest.mark.thorough
def test_a_second_run_computes_nothing_and_gives_the_same(
    small: gfc.Study, own_folder: Path, tree: xr.DataTree, capsys: pytest.CaptureFixture[str]
) -> None:
    """And shows its progress, unless that is not wanted."""
    again = work_precision.run(small, own_folder, jobs=1)
    cells = 2 * (32 + 4)
    assert cells == 2 * sum(len(line.labels) for line in method_sweeps(small, ())) + 8
    assert (again.computed, again.reused) == (0, cells)
    said = capsys.readouterr().err
    assert f"{cells - 8} of {cells - 8} cells are finished already" in said  # the settings
    assert "8 of 8 cells are finished already" in said  # two references off M and on M, two problems
    for name in ("sine", "step"):
        for key, value in tree[name].to_dataset().variables.items():
            assert_same_bits(again.tree[name][key].values, value.values, f"{name}/{key}")
    work_precision.run(small, own_folder, jobs=1, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.thorough
def test_of_points_and_of_a_density_in_one_study(tmp_path: Path) -> None:
    measures = [
        gfc.measures.Uniform(),
        gfc.measures.Points(data=[0.1, 0.35, 0.4, 0.6, 0.85]),
    ]
    flows = [gfc.integrator("standard-gf", rtol=rtol) for rtol in (1e-4, 1e-6, 1e-8)]
    one = study({"flow": flows, "gd": gfc.integrator("gd", step_size=0.02)}, measure=measures, seeds=2)
    outcome = work_precision.run(one, tmp_path, jobs=1)
    assert list(outcome.tree.children) == [spec.name for spec in one.problems]
    kept = sorted(path.name for path in (tmp_path / "work-precision").iterdir())
    assert kept == ["reference", "reference-on-points", "settings"]
    for spec in one.problems:
        assert work_precision.uncertainty(outcome.tree)[spec.name] < 1e-8
        assert work_precision.orders(outcome.tree)[spec.name, "gd"] == pytest.approx(1.0, abs=0.15)
        assert 0.6 < work_precision.orders(outcome.tree)[spec.name, "flow"] < 1.3


@pytest.mark.thorough
def test_where_the_reference_ends_early_nothing_is_known(small, folder, tmp_path) -> None:
    data = work_precision.read(folder)["sine"].to_dataset().copy(deep=True)
    for name in ("theta", "function", "risk"):
        data[f"{name}_error"][..., 0] = np.nan
        data[f"reference_{name}_error"][:, 0] = np.nan
    contents.write(tmp_path / contents.FILE, small, {"sine": data})
    tree = work_precision.read(tmp_path)
    row = work_precision.summary(tree).iloc[0]
    assert row["theta"] == np.median(data["theta_error"].values[0, 0, 1:])
    lost = data.copy(deep=True)
    for name in ("theta", "function", "risk"):
        lost[f"{name}_error"][:] = np.nan
        lost[f"reference_{name}_error"][:] = np.nan
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "sine": lost})
    assert work_precision.summary(tree)["theta"].isna().all()
    assert np.isnan(work_precision.uncertainty(tree)["sine"])
    assert np.isnan(list(work_precision.orders(tree).values())).all()
    assert drawn_lines(diagrams.draw(tree).axes[0]) == []


def test_what_is_not_a_work_precision_study_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a folder with work-precision.nc"):
        work_precision.read(tmp_path)
    with pytest.raises(InputError, match="not of a work-precision study"):
        work_precision.read(folder / "work-precision" / "settings" / "result.nc")
    with pytest.raises(InputError, match=r"this is a work-precision study, .*work_precision\.read opens it"):
        gfc.open_study(folder / contents.FILE)


@pytest.mark.parametrize("version", ["2.0", "1.1", "", "x"])
def test_another_version_is_not_read(tmp_path: Path, version: str) -> None:
    file = tmp_path / "work-precision.nc"
    xr.Dataset(attrs={"work_precision_version": version}).to_netcdf(file, engine="netcdf4")
    with pytest.raises(InputError, match="which this gfcompare does not read"):
        work_precision.read(file)


# The diagram


def drawn_lines(ax) -> list:
    """Return the lines of a panel that join settings, and not the marks."""
    return [line for line in ax.lines if line.get_marker() not in ("x", "None") and len(line.get_xdata())]


def legend_texts(figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.thorough
@pytest.mark.parametrize("error", ["theta", "function", "risk"])
def test_the_diagram_shows_the_medians_with_errors_falling_to_the_right(tree, error) -> None:
    figure = diagrams.draw(tree, error)
    assert len(figure.axes) == 4
    assert [ax.get_title() for ax in figure.axes] == ["sine", "step", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes[::2]] == [
        "gradient evaluations\n(sgd: at one sample point)",
        "wall time of one core (s)",
    ]
    table = work_precision.summary(tree)
    part = table[(table["problem"] == "step") & (table["method"] == "standard-gf")]
    for ax, cost in ((figure.axes[1], "gradients"), (figure.axes[3], "seconds")):
        left, right = ax.get_xlim()
        assert left > right > 0
        assert ax.get_yscale() == ax.get_xscale() == "log"
        line = drawn_lines(ax)[0]
        assert np.allclose(line.get_xdata(), part[error], rtol=1e-12)
        assert np.allclose(line.get_ydata(), part[cost], rtol=1e-12)
    texts = legend_texts(figure)
    assert texts[:6] == ["standard-gf", "normalized-gf", "gd", "gd on M", "short", "sgd"]
    assert "one seed; lines: medians" in texts


@pytest.mark.thorough
def test_trajectories_that_ended_early_are_marked_at_the_left_edge(tree: xr.DataTree) -> None:
    figure = diagrams.draw(tree)
    for ax in figure.axes:
        (marks,) = [line for line in ax.lines if line.get_marker() == "x"]
        assert np.asarray(marks.get_xdata()).tolist() == [ax.get_xlim()[0]] * 3
    assert len(drawn_lines(figure.axes[0])[4].get_xdata()) == 1  # no median where all ended early
    assert "a trajectory ended early" in legend_texts(figure)
    rest = tree["sine"].to_dataset().drop_sel(integrator="short")
    figure = diagrams.draw(xr.DataTree.from_dict({"/": tree.to_dataset(), "sine": rest}))
    assert "a trajectory ended early" not in legend_texts(figure)


@pytest.mark.thorough
def test_methods_have_the_colours_of_the_other_figures(folder: Path, tree: xr.DataTree) -> None:
    ax = diagrams.draw(tree).axes[0]
    runs = gfc.open_study(folder / "work-precision" / "reference")
    other = gfc.figures.risk(runs).axes[0]
    colours = [matplotlib.colors.to_hex(line.get_color()) for line in drawn_lines(ax)]
    assert colours[:2] == [matplotlib.colors.to_hex(line.get_color()) for line in other.lines[:2]]
    assert len(set(colours)) == len(colours)


@pytest.mark.thorough
def test_the_uncertainty_of_the_reference_is_a_band(tree: xr.DataTree) -> None:
    groups = {"/": tree.to_dataset()} | {name: node.to_dataset() for name, node in tree.children.items()}
    groups["sine"] = groups["sine"].copy(deep=True)
    groups["sine"]["reference_theta_error"][:] = 1e-6
    figure = diagrams.draw(xr.DataTree.from_dict(groups))
    band = figure.axes[0].patches[0].get_extents().transformed(figure.axes[0].transData.inverted())
    assert max(band.x0, band.x1) == pytest.approx(1e-6)
    assert min(band.x0, band.x1) == pytest.approx(figure.axes[0].get_xlim()[1])
    assert "below the uncertainty of the reference" in legend_texts(figure)
    assert min(drawn_lines(figure.axes[0])[0].get_xdata()) == pytest.approx(1e-7)  # drawn at a tenth
    groups["sine"]["reference_theta_error"][:] = 1e-14
    figure = diagrams.draw(xr.DataTree.from_dict({"/": groups["/"], "sine": groups["sine"]}))
    assert not figure.axes[0].patches
    assert "below the uncertainty of the reference" not in legend_texts(figure)


@pytest.mark.sampled
@pytest.mark.parametrize(("problems", "panels", "rows"), [(1, 2, 2), (3, 6, 2), (4, 8, 4), (5, 10, 4)])
def test_any_number_of_problems(tree: xr.DataTree, problems: int, panels: int, rows: int) -> None:
    one = tree["sine"].to_dataset()
    many = xr.DataTree.from_dict({"/": tree.to_dataset()} | {f"problem {k}": one for k in range(problems)})
    figure = diagrams.draw(many)
    assert len(figure.axes) == panels
    assert all(drawn_lines(ax) for ax in figure.axes)
    assert figure.axes[0].get_subplotspec().get_gridspec().nrows == rows
    assert [ax.get_title() for ax in figure.axes if ax.get_title()] == [
        f"problem {k}" for k in range(problems)
    ]


@pytest.mark.thorough
def test_diagrams_are_saved_in_every_format(tree: xr.DataTree, tmp_path: Path) -> None:
    written = diagrams.save(tree, tmp_path / "figures")
    names = {f"work_precision_{error}.{form}" for error in ("theta", "function", "risk") for form in FORMATS}
    assert {path.name for path in written} == names == {p.name for p in (tmp_path / "figures").iterdir()}
    assert all(path.stat().st_size > 5000 for path in written)


def test_an_unknown_error_is_refused(tree: xr.DataTree) -> None:
    with pytest.raises(InputError, match=r"unknown error 'thta'\. Did you mean 'theta'"):
        diagrams.draw(tree, "thta")


# The command


@pytest.mark.thorough
def test_the_command_prints_a_table_and_goes_on_where_it_was(study_file: Write, tmp_path: Path) -> None:
    path = study_file(last="[integrators.standard-gf]\n[integrators.l-bfgs]\n")
    arguments = ("work-precision", path, "--output", tmp_path / "out", "--jobs", 1)
    arguments += ("--rtol", 1e-3, "--rtol", 1e-6)
    first, second = in_process(*arguments), in_process(*arguments)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert re.search(
        r"^sine +gd +step_size 0\.1 +\d\.\de-0\d +\d.* 0 % +10 +\S+ s +[01]\.\d\d", first.stdout, re.M
    )
    assert re.search(r"^ +standard-gf +rtol 0\.001 .* s +[01]\.\d\d", first.stdout, re.M)
    assert re.search(r"^ +rtol 1e-06 ", first.stdout, re.M)
    assert re.search(
        r"^uncertainty of the reference for sine: theta \d\.\de-1\d, function", first.stdout, re.M
    )
    assert "left out, with neither tolerance nor step size: l-bfgs" in first.stdout
    assert "10 cells computed, 0 found finished" in first.stdout
    assert "0 cells computed, 10 found finished" in second.stdout
    assert f"result   {tmp_path / 'out' / 'work-precision.nc'}" in first.stdout
    assert len(list((tmp_path / "out" / "figures").iterdir())) == 9
    tree = work_precision.read(tmp_path / "out")
    assert tree.attrs["study_source"] == path.read_text()
    assert (first.stdout.split("10 cells")[0]) == (second.stdout.split("0 cells")[0])


def test_help_of_the_command() -> None:
    done = in_process("work-precision", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--output", "--jobs", "--rtol", "--force", "--traceback", "--plugin"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("{study} --rtol 1e-3", "rtol is given, but no method of the study has a tolerance."),
        ("{study} --rtol small", "Invalid value for '--rtol'"),
        ("{study} --jobs 0", "jobs must be at least 1, got 0."),
        ("{study} --plugin none.py", "no file 'none.py'"),
        ("none.toml", "none.toml: cannot be read"),
        ("{bad}", "integrators.gd: unknown key 'step'. Did you mean 'step_size'?"),
        ("", "Missing argument 'STUDY'"),
    ],
)
def test_bad_input_is_one_message(arguments, part, study_file, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    bad = tmp_path / "bad.toml"
    path = study_file()
    bad.write_text(path.read_text().replace("step_size", "step"))
    with pytest.raises(SystemExit) as caught:
        cli.main(["work-precision", *arguments.format(study=path, bad=bad).split()])
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert part in " ".join(re.sub("[│╭╮╰╯─]", " ", err).split())
    assert not (tmp_path / "results").exists()


@pytest.mark.thorough
def test_bad_input_as_a_process(study_file: Write) -> None:
    path = study_file(("[targets.sine]", "[targets.sinus]"))
    refused(gfcompare("work-precision", path), "targets.sinus: unknown target 'sinus'. Did you mean 'sine'?")


@pytest.mark.thorough
def test_info_and_plot_understand_its_result(folder: Path, tree: xr.DataTree, tmp_path: Path) -> None:
    copy = tmp_path / "kept"
    copy.mkdir()
    shutil.copy(folder / contents.FILE, copy)
    assert work_precision.located(copy) == copy / contents.FILE
    by_folder, by_file = in_process("info", copy), in_process("info", copy / contents.FILE)
    assert (by_folder.returncode, by_folder.stderr) == (0, "")
    assert by_folder.stdout == by_file.stdout
    assert "work-precision study, made" in by_folder.stdout
    assert "uncertainty of the reference for" in by_folder.stdout
    drawn = in_process("plot", copy, "--figure", "work_precision_risk", "--format", "svg")
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert [path.name for path in (copy / "figures").iterdir()] == ["work_precision_risk.svg"]
    assert in_process("plot", copy, "--format", "png", "--output", tmp_path / "all").returncode == 0
    assert len(list((tmp_path / "all").iterdir())) == 3
    refused(
        in_process("plot", copy, "--figure", "work_precision_rsk"),
        "unknown figure of a work-precision study 'work_precision_rsk'. Did you mean 'work_precision_risk'?",
    )
    refused(
        in_process("plot", copy, "--format", "gif"), "unknown format of a figure that does not move 'gif'"
    )
    refused(in_process("plot", copy, "--option", "size=column"), "a work-precision study have no options")
    refused(in_process("table", copy / contents.FILE), "this is a work-precision study")
    for command in ("table", "verify", "report"):
        refused(in_process(command, copy), "it has a work-precision study, which gfcompare info and")


@pytest.mark.thorough
def test_a_study_file_means_its_work_precision_study(study_file: Write, folder: Path, tmp_path: Path) -> None:
    path = study_file()
    home = tmp_path / "results" / gfc.Study.from_toml(path).name
    home.mkdir(parents=True)
    shutil.copy(folder / contents.FILE, home)
    drawn = in_process("plot", path, "--format", "svg", cwd=tmp_path)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert len(list((home / "figures").glob("work_precision_*.svg"))) == 3
    here = home.relative_to(tmp_path)
    said = in_process("info", path, cwd=tmp_path).stdout
    assert f"a work-precision study is there: gfcompare info {here / contents.FILE} shows it" in said


@pytest.mark.thorough
def test_a_work_precision_study_beside_a_result(folder: Path, small_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "results" / "both"
    home.mkdir(parents=True)
    here = home.relative_to(tmp_path)
    shutil.copy(folder / contents.FILE, home)
    shutil.copy(small_folder / "result.nc", home)
    both = in_process("info", here, cwd=tmp_path)
    assert (both.returncode, both.stderr) == (0, "")
    assert both.stdout.endswith(in_process("info", here / contents.FILE, cwd=tmp_path).stdout)
    assert both.stdout.startswith(gfc.open_study(home).attrs["title"])
    one = in_process("plot", here, "--figure", "work_precision_risk", "--format", "svg", cwd=tmp_path)
    assert (one.returncode, one.stderr) == (0, "")
    assert [p.name for p in (home / "figures").iterdir()] == ["work_precision_risk.svg"]
    run = in_process("plot", here, "--format", "png", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f"too: gfcompare plot {here / contents.FILE} draws it" in run.stdout
    assert (home / "figures" / "risk.png").is_file()


def test_a_folder_with_a_result_is_not_taken_for_a_work_precision_study(
    folder: Path, small_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / contents.FILE, tmp_path)
    shutil.copy(small_folder / "result.nc", tmp_path)
    assert work_precision.located(tmp_path) is None
    assert work_precision.located(tmp_path / contents.FILE) == tmp_path / contents.FILE
    (tmp_path / "broken.nc").write_text("no netCDF")
    assert work_precision.located(tmp_path / "broken.nc") is None
    assert work_precision.located(tmp_path / "none.nc") is None


@pytest.mark.thorough
def test_force_traceback_and_the_exit_code_of_a_method_that_fails(
    study_file: Write, watched: Path, tmp_path: Path
) -> None:
    path = study_file(last="[integrators.watched]\nact = 'raise'\n")
    command = ("work-precision", path, "--plugin", watched, "--output", tmp_path / "out", "--jobs", 1)
    first = in_process(*command)
    assert first.returncode == 1
    assert "'watched' failed on every trajectory (--traceback shows where)." in first.stderr
    assert "0 found finished" in first.stdout
    again, forced = in_process(*command), in_process(*command, "--force")
    assert "0 cells computed" in again.stdout
    assert (again.returncode, forced.returncode) == (1, 1)
    assert "0 found finished" in forced.stdout
    traced = in_process(*command, "--traceback")
    assert traced.returncode == 1
    assert "ArithmeticError: deliberately wrong" in traced.stderr
    assert 'watched.py", line' in traced.stderr


# The documentation


def test_the_page_lists_every_variable_with_its_dimensions_and_units() -> None:
    page = ROOT / "docs" / "work-precision.md"
    found = {}
    for line in page.read_text(encoding="utf-8").split("## The file")[1].splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.split("|")]
            for name in re.findall(r"`(\w+)`", cells[1]):
                found[name] = (cells[2], cells[3])
    assert found == {n: (", ".join(m.dims), m.units) for n, m in contents.VARIABLES.items()}
