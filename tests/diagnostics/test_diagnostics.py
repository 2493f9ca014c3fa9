"""Quantities along trajectories: what they are, which are computed, and what somebody else's may do."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from support import examples

import gfcompare as gfc
from gfcompare import diagnostics, measures, targets
from gfcompare.diagnostics.function_space import FunctionSpace, difference_network
from gfcompare.diagnostics.neurons import activation_range
from gfcompare.hooks import chosen_diagnostics
from gfcompare.hooks import registry as plugins
from gfcompare.hooks.registry import PluginWarning
from gfcompare.integrators.loop import run_block

BASIC = {"risk", "gradient_norm"}


def problem_of(widths: tuple[int, ...] = (1, 5, 1), target: Any = None, measure: Any = None) -> gfc.Problem:
    return gfc.Problem(
        gfc.ReLUNetwork(widths), target or targets.Sine(), measure or measures.Uniform(-0.5, 1.0)
    )


def states(problem: gfc.Problem, shape: tuple[int, ...] = (2, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(*shape, problem.network.parameter_count))


def trajectories(problem: gfc.Problem, method: gfc.Integrator, **times: Any) -> diagnostics.Trajectories:
    theta = states(problem, (2,))
    saved = gfc.Times(**({"start": 0.1, "end": 10.0, "count": 6} | times)).array()
    record = run_block(problem, method, theta, saved, [np.random.default_rng(0)] * 2)
    return diagnostics.Trajectories(record.theta, record.flow_time, method.on_manifold, 1e-6)


def small(**changes: Any) -> gfc.Study:
    fields: dict[str, Any] = {
        "targets": {"sine": targets.Sine()},
        "integrators": {
            "standard-gf": gfc.integrator("standard-gf"),
            "normalized-gf": gfc.integrator("normalized-gf"),
            "gd": gfc.integrator("gd", step_size=0.05),
        },
        "network": gfc.ReLUNetwork((1, 4, 1)),
        "times": gfc.Times(start=0.1, end=10.0, count=4),
        "seeds": 2,
    }
    return gfc.Study("small", **(fields | changes))


# ---------------------------------------------------------------------------------------------------
# What they are.

PROBLEMS = {
    "line": problem_of(),
    "deep": problem_of((1, 4, 3, 1)),
    "plane": problem_of((2, 4, 1), targets.Constant(0.2), measures.Box(-1.0, 2.0, dimension=2)),
    "points": problem_of((1, 4, 1), None, measures.Discretized(measures.Uniform(), 9)),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_neurons_are_counted_where_they_are_active(name: str) -> None:
    problem = PROBLEMS[name]
    theta = states(problem, (4, 5))
    if isinstance(problem.measure, measures.PointMeasure):
        points = problem.measure.points
    else:
        axes = [np.linspace(low, high, 41) for low, high in problem.measure.box]
        points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes))
    layer = problem.network.layers(theta)[0]
    z = layer.weight @ points.T + layer.bias[..., None]
    low, high = activation_range(problem, theta)
    np.testing.assert_allclose(low, z.min(axis=-1), atol=1e-12)
    np.testing.assert_allclose(high, z.max(axis=-1), atol=1e-12)
    dead, active, fully = (
        cls().compute(problem, theta)
        for cls in (diagnostics.DeadNeurons, diagnostics.ActiveNeurons, diagnostics.FullyActiveNeurons)
    )
    np.testing.assert_array_equal(dead, (z <= 0).all(axis=-1).sum(axis=-1))
    np.testing.assert_array_equal(active, (z > 0).any(axis=-1).sum(axis=-1))
    np.testing.assert_array_equal(fully, (z > 0).all(axis=-1).sum(axis=-1))
    assert (dead + active == problem.network.hidden[0]).all()
    assert (fully > 0).any()


@pytest.mark.parametrize(
    "covariance", [2.0, [1.0, 4.0, 0.25], [[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 0.7]]]
)
def test_normal_inputs_reach_eight_deviations_of_a_pre_activation(covariance: object) -> None:
    """However many inputs there are: the corners of a box of eight deviations lie farther."""
    measure = measures.Gaussian([0.1, -0.2, 0.3], covariance, 3)
    problem = problem_of((3, 4, 1), targets.Constant(0.2), measure)
    theta = states(problem, (1, 2))
    layer = problem.network.layers(theta)[0]
    matrix = np.diag(np.broadcast_to(covariance, 3)) if np.ndim(covariance) < 2 else np.array(covariance)
    mean = layer.weight @ measure.centre + layer.bias
    deviation = np.sqrt(np.einsum("...j,jk,...k->...", layer.weight, matrix, layer.weight))
    low, high = activation_range(problem, theta)
    np.testing.assert_allclose(low, mean - 8.0 * deviation, rtol=1e-13)
    np.testing.assert_allclose(high, mean + 8.0 * deviation, rtol=1e-13)
    for shift, dead, fully in ((-8.1, 4, 0), (-7.9, 0, 0), (7.9, 0, 0), (8.1, 0, 4)):
        layers = problem.network.layers(theta)
        moved = problem.network.join(
            [(layer.weight, layer.bias - mean + shift * deviation), (layers[1].weight, layers[1].bias)]
        )
        assert (diagnostics.DeadNeurons().compute(problem, moved) == dead).all()
        assert (diagnostics.FullyActiveNeurons().compute(problem, moved) == fully).all()


def test_changes_of_activity_add_up_along_a_trajectory() -> None:
    """One neuron on [-0.5, 1]: dead, partly active, fully active, back; the other never changes."""
    problem = problem_of((1, 2, 1))
    theta = np.zeros((1, 6, 7))
    theta[0, :, 1] = 1.0  # the second neuron is partly active
    theta[0, :5, 2] = [-1.0, 0.25, 1.0, 0.25, 0.25]  # the bias of the first
    theta[0, 1:5, 0] = [1.0, 1.0, 1.0, 1.0]
    theta[0, 5] = np.nan
    found = diagnostics.ActivityChanges().compute(problem, theta)
    np.testing.assert_array_equal(found, [[0, 1, 2, 3, 3, np.nan]])


def test_breakpoints_are_zeros_of_the_pre_activations() -> None:
    problem = problem_of()
    theta = states(problem)
    theta[0, 0, 2], theta[1, 2] = 0.0, np.nan
    found = diagnostics.Breakpoints().compute(problem, theta)
    layer = problem.network.layers(theta)[0]
    assert found.shape == (2, 3, 5)
    assert np.isnan(found[0, 0, 2])
    assert np.isnan(found[1, 2]).all()
    z = layer.weight[..., 0] * found + layer.bias
    np.testing.assert_allclose(z[np.isfinite(found)], 0.0, atol=1e-14)
    assert np.isfinite(found).sum() == 6 * 5 - 5 - 1
    assert not diagnostics.Breakpoints.applies(PROBLEMS["plane"])


def test_curvatures_are_eigenvalues_of_the_hessian() -> None:
    problem = problem_of()
    theta = states(problem)
    theta[1, 2] = np.nan
    paths = diagnostics.Trajectories(theta, np.zeros((2, 3)))
    largest = diagnostics.Sharpness().along(problem, paths)
    smallest = diagnostics.SmallestCurvature().along(problem, paths)
    expected = np.linalg.eigvalsh(problem.hessian(theta[:1]))[0]
    np.testing.assert_allclose(largest[0], expected[:, -1], rtol=1e-10)
    np.testing.assert_allclose(smallest[0], expected[:, 0], rtol=1e-10)
    assert np.isnan(largest[1, 2])
    assert np.isnan(smallest[1, 2])
    assert not diagnostics.Sharpness.applies(PROBLEMS["points"])


@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
@pytest.mark.parametrize("on", ["line", "points"])
def test_a_flow_loses_the_accumulated_squared_gradient(name: str, on: str) -> None:
    problem = PROBLEMS[on]
    paths = trajectories(problem, gfc.integrator(name))
    risk = problem.risk(paths.theta)
    lost = diagnostics.AccumulatedGradient().along(problem, paths)
    defect = diagnostics.EnergyDefect().along(problem, paths)
    assert (lost[:, 0] == 0).all()
    assert (np.diff(lost, axis=1) > 0).all()
    assert (risk[:, 0] > 10 * risk[:, -1]).any()
    np.testing.assert_allclose(lost, risk[:, :1] - risk, atol=2e-5 * risk[:, 0].max())
    np.testing.assert_allclose(defect, risk[:, :1] - risk - lost, atol=1e-15)


def test_the_accumulated_squared_gradient_is_a_quadrature_of_it() -> None:
    """On a fine grid of save times, Simpson's rule on |G|^2 is an independent way to the same number."""
    problem = problem_of()
    paths = trajectories(
        problem, gfc.integrator("standard-gf", rtol=1e-9), spacing="linear", end=0.5, count=1001
    )
    square = (problem.gradient(paths.theta) ** 2).sum(axis=-1)
    weights = np.ones(1001)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    simpson = (square @ weights) * (0.5 / 1000) / 3
    few = diagnostics.Trajectories(paths.theta[:, ::250], paths.time[:, ::250], rtol=1e-9)
    found = diagnostics.AccumulatedGradient().along(problem, few)[:, -1]
    np.testing.assert_allclose(found, simpson, rtol=1e-6)


def test_the_energy_defect_of_descent_falls_with_its_step_size() -> None:
    problem = problem_of()

    def defect(step: float) -> float:
        paths = trajectories(
            problem, gfc.integrator("gd", step_size=step), spacing="linear", end=1.0, count=3
        )
        return float(np.abs(diagnostics.EnergyDefect().along(problem, paths)[:, -1]).max())

    coarse, fine = defect(0.02), defect(0.002)
    assert coarse == pytest.approx(10 * fine, rel=0.3)


def test_a_trajectory_that_ended_has_no_energy_after_its_end() -> None:
    problem = problem_of()
    paths = trajectories(problem, gfc.integrator("standard-gf"))
    theta = paths.theta.copy()
    theta[0, 3:] = np.nan
    short = diagnostics.Trajectories(theta, paths.time)
    for cls in (diagnostics.AccumulatedGradient, diagnostics.EnergyDefect):
        found = cls().along(problem, short)
        assert np.isnan(found[0, 3:]).all()
        assert np.isfinite(found[0, :3]).all()
        assert np.isfinite(found[1]).all()


@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_the_lyapunov_function_decreases_for_a_constant_target(name: str) -> None:
    problem = problem_of((1, 5, 2), targets.Constant([0.5, -1.0]))
    paths = trajectories(problem, gfc.integrator(name))
    found = diagnostics.LyapunovFunction().along(problem, paths)
    assert (np.diff(found, axis=1) < 0).all()
    c = paths.theta[..., -2:]
    if name == "standard-gf":
        np.testing.assert_allclose(found, (paths.theta**2).sum(-1) + ((c - [1.0, -2.0]) ** 2).sum(-1))
    else:
        v = paths.theta[..., 10:20]
        np.testing.assert_allclose(found, (v**2).sum(-1) + ((c - [0.5, -1.0]) ** 2).sum(-1))


@pytest.mark.parametrize(
    ("target", "measure", "constant"),
    [
        (targets.Constant(1.0), measures.Uniform(), True),
        (targets.Polynomial([2.0]), measures.Uniform(), True),
        (targets.PiecewiseLinear([0.0, 0.5, 1.0], [0.3, 0.3, 0.3]), measures.Uniform(), True),
        (targets.Step(left=0.0, right=1.0), measures.Uniform(), False),
        (targets.Affine(0.0, 0.5), measures.Uniform(), True),
        (targets.Sine(), measures.Uniform(), False),
        (targets.Constant(1.0), measures.Discretized(measures.Uniform(), 5), True),
        (targets.Sine(), measures.Discretized(measures.Uniform(), 5), False),
    ],
)
def test_constant_targets_are_recognised(target: Any, measure: Any, constant: bool) -> None:
    assert diagnostics.LyapunovFunction.applies(problem_of((1, 3, 1), target, measure)) is constant
    assert not diagnostics.LyapunovFunction.applies(problem_of((1, 3, 2, 1), target, measure))


@examples(20)
@given(
    st.sampled_from([(1, 3, 1), (1, 4, 2), (1, 3, 4, 1), (1, 2, 3, 2, 2)]),
    st.integers(0, 2**32 - 1),
    st.floats(-1.0, 0.5),
)
def test_the_function_distance_is_that_of_a_quadrature(
    widths: tuple[int, ...], seed: int, lower: float
) -> None:
    problem = problem_of(widths, targets.Constant([0.0] * widths[-1]), measures.Uniform(lower, 1.0))
    theta, other = states(problem, (2,), seed)
    x = np.linspace(lower, 1.0, 20001)
    difference = problem.network.realize(theta, x) - problem.network.realize(other, x)
    expected = np.sqrt(np.trapezoid((difference**2).sum(axis=1), x) / (1.0 - lower))
    found = float(FunctionSpace(problem).distance(theta, other))
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert float(FunctionSpace(problem).distance(theta, theta)) < 1e-15
    doubled, joined = difference_network(problem.network, theta, other)
    np.testing.assert_allclose(doubled.realize(joined, x[:50]), difference[:50], atol=1e-12)


@pytest.mark.parametrize("name", ["plane", "points"])
def test_the_function_distance_uses_the_measure_of_the_problem(name: str) -> None:
    problem = PROBLEMS[name]
    theta, other = states(problem, (2,))
    if name == "points":
        x, weights = problem.measure.points, problem.measure.weights  # type: ignore[attr-defined]
    else:
        x = problem.measure.sample(np.random.default_rng(0), 200_000)
        weights = np.full(len(x), 1.0 / len(x))
    difference = problem.network.realize(theta, x) - problem.network.realize(other, x)
    expected = np.sqrt(weights @ (difference**2).sum(axis=1))
    assert float(FunctionSpace(problem).distance(theta, other)) == pytest.approx(expected, rel=1e-2)


# ---------------------------------------------------------------------------------------------------
# Which are computed.


def computed(tree: xr.DataTree) -> set[str]:
    known = set(plugins.registry().names("diagnostics"))
    return set(map(str, tree["sine"].data_vars)) & known


def test_a_study_computes_the_cheap_ones_by_default(tmp_path: Path) -> None:
    tree = small().run(tmp_path, jobs=1)
    assert computed(tree) == BASIC | {
        "parameter_norm", "balancedness_drift", "distance_to_manifold", "dead_neurons", "active_neurons",
        "fully_active_neurons", "activity_changes", "distance_to_flow", "function_distance_to_flow",
    }  # fmt: skip
    assert gfc.validate(tree) == []


@pytest.mark.thorough
def test_a_study_computes_what_it_names(tmp_path: Path) -> None:
    names = ["breakpoints", "sharpness", "energy_defect", "test_risk", "distance_to_flow"]
    tree = small(diagnostics=names).run(tmp_path / "few", jobs=1)
    assert computed(tree) == BASIC | {"breakpoints", "sharpness", "energy_defect", "distance_to_flow"}
    data = tree["sine"]
    assert data["breakpoints"].dims == ("integrator", "seed", "time", "neuron_1")
    assert data["breakpoints"].attrs["units"] == "input"
    assert gfc.validate(tree) == []
    assert computed(small(diagnostics=[]).run(tmp_path / "none", jobs=1)) == BASIC
    assert small(diagnostics=["risk"]).spec()["diagnostics"] == ["risk", "gradient_norm"]
    assert small().spec()["diagnostics"] is None


@pytest.mark.thorough
def test_figures_do_without_what_is_not_there(tmp_path: Path) -> None:
    tree = small(diagnostics=[]).run(tmp_path / "none", jobs=1)
    paths = gfc.figures.save_all(tree, tmp_path / "figures", formats=("png",))
    assert "risk" in {path.stem for path in paths}
    assert "parameter_norm" not in {path.stem for path in paths}


def test_a_study_file_names_diagnostics(study_file: Any) -> None:
    path = study_file(first='diagnostics = ["breakpoints"]')
    assert gfc.Study.from_toml(path).diagnostics == ("risk", "gradient_norm", "breakpoints")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('["sharpnes"]', "diagnostics: unknown diagnostic 'sharpnes'. Did you mean 'sharpness'?"),
        ('"sharpness"', "diagnostics: must be a list"),
        ("[1]", "diagnostics"),
    ],
)
def test_a_wrong_name_is_refused(study_file: Any, given: str, message: str) -> None:
    with pytest.raises(gfc.InputError, match="diagnostics") as caught:
        gfc.Study.from_toml(study_file(first=f"diagnostics = {given}"))
    assert message in str(caught.value)


def test_diagnostics_have_keys_of_their_own() -> None:
    def keys(**changes: Any) -> list[tuple[str, dict[str, str]]]:
        return [(cell.key, cell.diagnostic_keys) for cell in small(**changes).cells()]

    more = keys(diagnostics=["sharpness", "risk"])
    assert keys(diagnostics=["sharpness"]) == more
    for (key, all_by_default), (same, chosen) in zip(keys(), more, strict=True):
        assert key == same
        assert set(chosen) == {"risk", "gradient_norm", "sharpness"}
        assert set(chosen) - {"sharpness"} < set(all_by_default)
        assert chosen["risk"] == all_by_default["risk"]


def test_distances_are_to_the_standard_flow_of_smallest_tolerance(tmp_path: Path) -> None:
    study = small(
        integrators={
            "coarse": gfc.integrator("standard-gf", rtol=1e-3),
            "fine": gfc.integrator("standard-gf", rtol=1e-9),
            "normalized-gf": gfc.integrator("normalized-gf"),
            "gd": [gfc.integrator("gd", step_size=g) for g in (0.02, 0.002)],
        },
    )
    data = study.run(tmp_path, jobs=1)["sine"].to_dataset()
    for name in ("distance_to_flow", "function_distance_to_flow"):
        distance = data[name]
        assert (distance.sel(integrator="fine") < 1e-15).all()
        assert (distance.isel(time=0) < 1e-14).all()
        assert (distance.sel(integrator="coarse").isel(time=-1) > 0).all()
        late = distance.isel(time=-1)
        ratio = late.sel(integrator="gd[step 0.02]") / late.sel(integrator="gd[step 0.002]")
        np.testing.assert_allclose(ratio, 10.0, rtol=0.3)  # descent is of order 1
        assert (late.sel(integrator="normalized-gf") > 1e-3).any()


def test_without_the_standard_flow_there_is_no_distance(tmp_path: Path) -> None:
    study = small(integrators={"gd": gfc.integrator("gd", step_size=0.05)}, diagnostics=["distance_to_flow"])
    tree = study.run(tmp_path, jobs=1)
    assert computed(tree) == BASIC
    assert gfc.validate(tree) == []


def test_cells_that_are_there_serve_a_result_with_other_methods(tmp_path: Path) -> None:
    """Paired diagnostics are no part of a cell: it does not know the other methods."""
    one = small(integrators={"gd": gfc.integrator("gd", step_size=0.05)})
    one.run(tmp_path, jobs=1)
    assert {cell.key for cell in one.cells()} <= {cell.key for cell in small().cells()}
    assert "distance_to_flow" in small().run(tmp_path, jobs=1)["sine"]


def test_integrate_computes_the_diagnostics_of_its_method() -> None:
    problem = problem_of((1, 3, 1), targets.Constant(0.5))
    theta = states(problem, (2,))
    data = gfc.integrate(problem, gfc.integrator("normalized-gf"), theta, [0.0, 1.0])
    v, c = theta[:, 6:9], theta[:, 9]
    norms = np.hypot(theta[:, :3], theta[:, 3:6])
    expected = ((v * norms) ** 2).sum(axis=1) + (c - 0.5) ** 2
    np.testing.assert_allclose(data["lyapunov_function"].isel(time=0), expected)
    assert "distance_to_flow" not in data


# ---------------------------------------------------------------------------------------------------
# Somebody else's.


@dataclass(frozen=True)
class Elapsed(diagnostics.TrajectoryDiagnostic):
    """Flow time since the last save, for each neuron of the second layer."""

    name: ClassVar[str] = "elapsed"
    long_name: ClassVar[str] = "flow time since the last save"
    units: ClassVar[str] = "parameter^2 / risk"
    dims: ClassVar[tuple[str, ...]] = ("neuron_2", "output")

    @classmethod
    def applies(cls, problem: gfc.Problem) -> bool:
        return problem.network.depth == 3

    def along(self, problem: gfc.Problem, trajectories: diagnostics.Trajectories) -> gfc.Array:
        spans = np.diff(trajectories.time, axis=1, prepend=0.0)
        return np.broadcast_to(spans[..., None, None], (*spans.shape, problem.network.widths[2], 1))


@dataclass(frozen=True)
class Misshapen(Elapsed):
    """Without the dimensions that it announces."""

    def along(self, problem: gfc.Problem, trajectories: diagnostics.Trajectories) -> gfc.Array:
        return trajectories.time


@dataclass(frozen=True)
class Lost(Elapsed):
    """With a dimension that no result has."""

    dims: ClassVar[tuple[str, ...]] = ("neuron_1", "layer")


@dataclass(frozen=True)
class Careless(diagnostics.PairedDiagnostic):
    """It raises when methods are compared."""

    name: ClassVar[str] = "careless"
    long_name: ClassVar[str] = "something"
    units: ClassVar[str] = "1"

    def compare(
        self, problem: gfc.Problem, trajectories: diagnostics.Trajectories, flow: diagnostics.Trajectories
    ) -> gfc.Array:
        raise IndexError("off by one")


def announce(cls: type[diagnostics.Quantity]) -> None:
    registry = plugins.registry()
    registry._components["diagnostics"][cls.name] = cls
    registry._origins["diagnostics", cls.name] = plugins.Plugin("theirs", "their-distribution", "1.0")


@pytest.mark.usefixtures("fresh_registry")
def test_a_diagnostic_of_a_trajectory_with_dimensions_of_its_own(tmp_path: Path) -> None:
    announce(Elapsed)
    tree = small(network=gfc.ReLUNetwork((1, 3, 2, 1))).run(tmp_path, jobs=1)
    data = tree["sine"]["elapsed"]
    assert data.dims == ("integrator", "seed", "time", "neuron_2", "output")
    np.testing.assert_allclose(data.sel(integrator="standard-gf").sum("time"), 10.0)
    assert gfc.validate(tree) == []
    assert "elapsed" not in small().run(tmp_path / "shallow", jobs=1)["sine"]


@pytest.mark.usefixtures("fresh_registry")
@pytest.mark.parametrize(
    ("cls", "cause"),
    [
        (Misshapen, "it has shape (2, 5), expected (2, 5, 2, 1)"),
        (Careless, "IndexError: off by one"),
    ],
)
def test_one_that_fails_loses_nothing(tmp_path: Path, cls: type[diagnostics.Quantity], cause: str) -> None:
    announce(cls)
    with pytest.warns(PluginWarning, match="is left out") as caught:
        tree = small(network=gfc.ReLUNetwork((1, 3, 2, 1))).run(tmp_path, jobs=1)
    assert all(cause in str(warning.message) for warning in caught)
    assert np.isfinite(tree["sine"]["risk"]).all()
    assert gfc.validate(tree) == []


@pytest.mark.usefixtures("fresh_registry")
def test_dimensions_that_no_result_has_are_refused() -> None:
    module = types.ModuleType("theirs")
    module.gfcompare_diagnostics = gfc.hookimpl(_announced(Lost))  # type: ignore[attr-defined]
    registry = plugins.registry()
    with pytest.warns(
        PluginWarning,
        match="the dims of Lost must be a tuple of input, output, neuron_1, ..., each once, got",
    ):
        registry.load(plugins.Plugin("theirs", "their-distribution", "1.0"), module)
    assert "elapsed" not in registry.names("diagnostics")


def _announced(cls: type[diagnostics.Quantity]) -> Callable[[], list[type[diagnostics.Quantity]]]:
    def gfcompare_diagnostics() -> list[type[diagnostics.Quantity]]:
        return [cls]

    return gfcompare_diagnostics


def test_names_are_those_of_study_files() -> None:
    assert chosen_diagnostics.checked_names(None) is None
    assert chosen_diagnostics.checked_names(["sharpness", "risk"]) == ("risk", "gradient_norm", "sharpness")
    with pytest.raises(gfc.InputError, match="must be a list of names, got 3"):
        chosen_diagnostics.checked_names([3])  # type: ignore[list-item]
