"""Checks of theorems: right flows pass, wrong ones are caught, and what a check rests on is right itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT, Once, assert_same_bits, examples

import gfcompare as gfc
from gfcompare import cli, measures, targets, theory
from gfcompare.diagnostics.lyapunov import lyapunov, lyapunov_slope
from gfcompare.diagnostics.replay import Flow
from gfcompare.hooks import plugin_files, registry
from gfcompare.results import opening, schema, store
from gfcompare.theory.exponents import decay, exponent
from gfcompare.theory.limits import _continuous, _smallest_critical_risk
from gfcompare.theory.stored_trajectories import _runs
from gfcompare.theory.tolerances import Sample

LINE = {
    "sine": targets.Sine(),
    "constant": targets.Constant(0.7),
    "affine": targets.Affine(1.0, 0.5),
    "step": targets.Step(),
}
INVARIANTS = ("flow", "speed", "energy", "risk", "displacement", "stored-risk", "normalization")


def flows(**options: Any) -> dict[str, gfc.Integrator]:
    return {name: gfc.integrator(name, **options) for name in ("standard-gf", "normalized-gf")}


def make_study(**changes: Any) -> gfc.Study:
    fields: dict[str, Any] = {
        "targets": {"sine": targets.Sine()},
        "integrators": flows(),
        "network": gfc.ReLUNetwork((1, 6, 1)),
        "times": gfc.Times(start=0.01, end=100.0, count=13),
        "seeds": 2,
        "seed": 5,
    }
    return gfc.Study("checked", **(fields | changes))


def verified(study: gfc.Study, folder: Path, **options: Any) -> pd.DataFrame:
    return theory.verify(study.run(folder, jobs=1), study=study, **options)


def outcomes(frame: pd.DataFrame, **where: Any) -> dict[str, set[str]]:
    """Return the outcomes of each check among the rows that match."""
    for key, value in where.items():
        frame = frame[frame[key] == value]
    return {check: set(part["outcome"]) for check, part in frame.groupby("check", sort=False)}


def failures(frame: pd.DataFrame) -> list[str]:
    rows = frame[frame["outcome"] == "fail"].to_dict("records")
    return [f"{r['problem']} {r['integrator']} {r['seed']} {r['check']}: {r['detail']}" for r in rows]


@pytest.fixture(scope="module")
def right(once: Once) -> tuple[gfc.Study, Path]:
    """Flows, descent and stochastic descent on four targets."""
    study = make_study(
        targets=LINE,
        integrators=flows()
        | {
            "gd": gfc.integrator("gd", step_size=0.05),
            "gd on M": gfc.integrator("gd", step_size=0.05, normalize=True),
            "sgd": gfc.integrator("sgd", step_size=0.05, batch_size=4),
        },
        seeds=3,
    )
    return study, once("right flows", lambda folder: study.run(folder, jobs=1))


@pytest.fixture(scope="module")
def frame(right: tuple[gfc.Study, Path], once: Once) -> pd.DataFrame:
    def verify(folder: Path) -> None:
        theory.verify(gfc.open_study(right[1])).to_pickle(folder / "frame.pkl")

    return pd.read_pickle(once("checks of right flows", verify) / "frame.pkl")


# ---------------------------------------------------------------------------------------------------
# Right flows.


def test_every_trajectory_gets_every_check_once(frame: pd.DataFrame, right: tuple[gfc.Study, Path]) -> None:
    assert list(frame.columns) == [
        "problem", "integrator", "seed", "check", "residual", "tolerance", "outcome", "detail", "reference",
    ]  # fmt: skip
    study = right[0]
    assert len(frame) == 4 * 5 * 3 * len(theory.CHECKS)
    assert not frame.duplicated(["problem", "integrator", "seed", "check"]).any()
    assert set(frame["outcome"]) == {"pass", "does not apply"}
    assert set(frame["integrator"]) == set(study.integrators)
    assert (frame["detail"].str.len() > 0).all()
    judged = frame[frame["outcome"] == "pass"]
    assert (judged["residual"] <= judged["tolerance"]).all()
    assert (judged["tolerance"] > 0).all()


@pytest.mark.parametrize("problem", LINE)
def test_right_flows_obey_what_applies_to_them(frame: pd.DataFrame, problem: str) -> None:
    standard = outcomes(frame, problem=problem, integrator="standard-gf")
    on_m = outcomes(frame, problem=problem, integrator="normalized-gf")
    for check in INVARIANTS:
        assert standard[check] == on_m[check] == {"pass"}, check
    assert standard["balancedness"] == on_m["manifold"] == {"pass"}
    assert on_m["balancedness"] == standard["manifold"] == {"does not apply"}
    constant = {"pass"} if problem == "constant" else {"does not apply"}
    for check in ("lyapunov", "constant-target"):
        assert standard[check] == on_m[check] == constant, check
    assert standard["boundedness"] == on_m["boundedness"] == constant


def test_methods_that_make_steps_are_held_to_what_holds_for_them(frame: pd.DataFrame) -> None:
    gd, on_m, sgd = (outcomes(frame, integrator=name) for name in ("gd", "gd on M", "sgd"))
    for found in (gd, on_m, sgd):
        assert found["flow"] == found["energy"] == found["balancedness"] == {"does not apply"}
        assert found["stored-risk"] == found["normalization"] == {"pass"}
    assert "pass" in gd["risk"]
    assert sgd["risk"] == gd["manifold"] == {"does not apply"}
    assert on_m["manifold"] == {"pass"}


@dataclass(frozen=True)
class Setting:
    """A kind of problem or of method on which the identities must hold."""

    name: str
    changes: dict[str, Any]

    def __str__(self) -> str:
        return self.name


def shallow(hidden: int, **options: Any) -> dict[str, Any]:
    return {"network": gfc.ReLUNetwork((1, hidden, 1)), "integrators": flows(**options)}


SETTINGS = [
    Setting("one neuron", shallow(1)),
    Setting("64 neurons", shallow(64) | {"seeds": 1}),
    Setting("coarse", shallow(16, rtol=1e-4)),
    Setting("fine", shallow(16, rtol=1e-9) | {"seeds": 1}),
    Setting("bdf", shallow(8, method="bdf")),
    Setting("dop853", shallow(4, method="dop853") | {"times": gfc.Times(end=10.0, count=9)}),
    Setting("rkc", shallow(4, method="rkc") | {"times": gfc.Times(end=10.0, count=9)}),
    Setting("few save times", {"times": gfc.Times(start=1.0, end=1e4, count=3)}),
    Setting("leaving a saddle", {"initialization": gfc.initializations.He(scale=0.02)}),
    Setting("three layers", {"network": gfc.ReLUNetwork((1, 5, 4, 1))}),
    Setting(
        "two outputs",
        {
            "network": gfc.ReLUNetwork((1, 6, 2)),
            "targets": {"two": targets.Stack([targets.Sine(), targets.Constant(0.3)])},
        },
    ),
    Setting(
        "plane",
        {
            "network": gfc.ReLUNetwork((2, 4, 1)),
            "measure": measures.Box(0.0, 1.0, dimension=2),
            "targets": {"ridge": targets.Ridge(targets.Sine(), [1.0, 0.5])},
            "quadrature": gfc.Quadrature(nodes=16),
            "times": gfc.Times(end=10.0, count=6),
            "seeds": 1,
        },
    ),
    Setting(
        "points",
        {
            "measure": measures.Discretized(measures.Uniform(), 20),
            "times": gfc.Times(end=10.0, count=9),
        },
    ),
    Setting(
        "a constant on points",
        {
            "measure": measures.Discretized(measures.Uniform(), 20),
            "targets": {"constant": targets.Constant(0.4)},
            "times": gfc.Times(end=10.0, count=9),
        },
    ),
    Setting("density", {"measure": measures.TruncatedNormal(0.3, 0.2, -1.0, 2.0)}),
]


@pytest.mark.sampled
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_right_flows_pass_everywhere(tmp_path: Path, setting: Setting) -> None:
    found = verified(make_study(**setting.changes), tmp_path)
    assert failures(found) == []
    for name in ("standard-gf", "normalized-gf"):
        mine = outcomes(found, integrator=name)
        for check in INVARIANTS:
            assert mine[check] <= {"pass"} or (check == "speed" and "fail" not in mine[check]), (name, check)
    if "constant" in setting.changes.get("targets", {}):
        assert outcomes(found)["lyapunov"] == {"pass"}


@pytest.mark.thorough  # the same at the tolerance by default: above
@pytest.mark.parametrize("method", ["ndf", "bdf"])
@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-9])
def test_right_flows_pass_at_every_tolerance(tmp_path: Path, method: str, rtol: float) -> None:
    """The calibration of docs/theory.md, in small."""
    study = make_study(
        targets=LINE | {"kink": targets.AbsoluteValue(0.4)},
        integrators=flows(method=method, rtol=rtol),
        network=[gfc.ReLUNetwork((1, h, 1)) for h in (1, 4, 16)],
        times=gfc.Times(start=0.01, end=1000.0, count=13),
        seeds=2,
    )
    assert failures(verified(study, tmp_path)) == []


# ---------------------------------------------------------------------------------------------------
# Wrong flows, as somebody else might write them.


@dataclass(frozen=True)
class Uphill(gfc.FlowIntegrator):
    """The wrong sign."""

    name: ClassVar[str] = "uphill"
    follows = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return problem.gradient(y)


@dataclass(frozen=True)
class Double(gfc.FlowIntegrator):
    """The gradient of a risk without the factor 1/2 that was meant."""

    name: ClassVar[str] = "double"
    follows = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -2.0 * problem.gradient(y)


@dataclass(frozen=True)
class Fast(gfc.FlowIntegrator):
    """A thousandth too fast."""

    name: ClassVar[str] = "fast"
    follows = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -1.001 * problem.gradient(y)


@dataclass(frozen=True)
class Forgetful(gfc.FlowIntegrator):
    """Without the gradient of the hidden biases."""

    name: ClassVar[str] = "forgetful"
    follows = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        velocity = -problem.gradient(y)
        problem.network.layers(velocity)[0].bias[...] = 0.0
        return velocity


@dataclass(frozen=True)
class Mistaken(gfc.FlowIntegrator):
    """For a target with another mean."""

    name: ClassVar[str] = "mistaken"
    follows = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        shifted = np.array(y)
        problem.network.layers(shifted)[-1].bias[...] -= 0.01
        return -problem.gradient(shifted)


@dataclass(frozen=True)
class Unprojected(gfc.FlowIntegrator):
    """On M, but the rows' velocity is not projected."""

    name: ClassVar[str] = "unprojected"
    follows = "normalized"

    @property
    def on_manifold(self) -> bool:
        return True

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -problem.gradient(problem.network.retract(y))

    def parameters(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return problem.network.retract(y)


@dataclass(frozen=True)
class Leaving(gfc.FlowIntegrator):
    """The standard flow that claims to live on M."""

    name: ClassVar[str] = "leaving"
    follows = "normalized"

    @property
    def on_manifold(self) -> bool:
        return True

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -problem.gradient(y)


@dataclass(frozen=True)
class Right(gfc.FlowIntegrator):
    """Nothing is wrong."""

    name: ClassVar[str] = "right"
    follows = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -problem.gradient(y)


WRONG: dict[type[gfc.FlowIntegrator], set[str]] = {
    Uphill: {"flow", "speed", "energy", "risk", "displacement"},
    Double: {"flow", "speed", "energy", "displacement"},
    Fast: {"speed"},
    Forgetful: {"flow", "speed", "balancedness"},
    Mistaken: {"flow"},
    Unprojected: {"flow"},
    Leaving: {"flow", "speed", "energy", "manifold"},
}


@pytest.fixture(scope="module")
def wrong(once: Once) -> pd.DataFrame:
    study = make_study(
        integrators={cls.name: cls() for cls in [*WRONG, Right]},
        times=gfc.Times(start=0.01, end=100.0, count=17),
        targets={"sine": LINE["sine"], "constant": LINE["constant"]},
    )

    def verify(folder: Path) -> None:
        verified(study, folder / "study").to_pickle(folder / "frame.pkl")

    return pd.read_pickle(once("wrong flows", verify) / "frame.pkl")


@pytest.mark.parametrize("cls", WRONG, ids=lambda cls: cls.name)
def test_a_wrong_flow_is_caught_for_every_seed(wrong: pd.DataFrame, cls: type[gfc.FlowIntegrator]) -> None:
    mine = wrong[wrong["integrator"] == cls.name]
    found = outcomes(mine, problem="sine")
    for check in WRONG[cls]:
        assert found[check] == {"fail"}, check
    # On the easier target, too, no trajectory of a wrong flow gets through.
    caught = mine[mine["outcome"] == "fail"].groupby("problem")["seed"].nunique()
    assert caught.to_dict() == {"sine": 2, "constant": 2}


def test_a_right_flow_of_somebody_else_passes(wrong: pd.DataFrame) -> None:
    mine = wrong[wrong["integrator"] == "right"]
    assert failures(mine) == []
    found = outcomes(mine, problem="sine")
    for check in (*INVARIANTS, "balancedness"):
        assert found[check] == {"pass"}, check


def test_the_speed_of_a_wrong_flow_is_told(wrong: pd.DataFrame) -> None:
    def told(name: str) -> Sequence[float]:
        rows = wrong[(wrong["integrator"] == name) & (wrong["check"] == "speed")]
        rows = rows[rows["problem"] == "sine"]
        return [float(text.split()[3]) for text in rows["detail"]]

    assert told("double") == pytest.approx([2.0, 2.0], rel=0.1)  # less where it has come to rest
    assert told("fast") == pytest.approx([1.001, 1.001], abs=2e-4)
    assert told("right") == pytest.approx([1.0, 1.0], abs=1e-4)
    assert max(told("uphill")) < 0


@pytest.mark.thorough
def test_wrong_integrals_fail_the_energy_identity_although_the_states_are_right(
    right: tuple[gfc.Study, Path],
) -> None:
    """A risk that is stored wrongly: the states still follow the flow."""
    tree = gfc.open_study(right[1])
    data = tree["sine"].to_dataset()
    data["risk"] = data["risk"] * 1.001
    found = theory.verify(xr.DataTree.from_dict({"/": tree.to_dataset(), "sine": data}))
    mine = outcomes(found, integrator="standard-gf")
    assert mine["flow"] == mine["balancedness"] == {"pass"}
    assert mine["stored-risk"] == {"fail"}


# ---------------------------------------------------------------------------------------------------
# Theorems and their hypotheses.


@pytest.mark.thorough
def test_one_neuron_is_bounded_on_m_and_open_for_the_standard_flow(tmp_path: Path) -> None:
    study = make_study(
        network=gfc.ReLUNetwork((1, 1, 1)),
        targets={"kink": targets.AbsoluteValue(0.4), "step": targets.Step()},
        initialization=gfc.initializations.Normal(),
        times=gfc.Times(start=0.01, end=1e5, count=43),
        seeds=4,
    )
    found = verified(study, tmp_path)
    assert failures(found) == []
    bounded = found[found["check"] == "boundedness"]
    standard = bounded[bounded["integrator"] == "standard-gf"]
    assert set(standard["detail"]) == {"open for the standard flow"}
    on_m = bounded[bounded["integrator"] == "normalized-gf"]
    kink, step = (on_m[on_m["problem"] == name] for name in ("kink", "step"))
    assert set(step["detail"]) == {"proved for Lipschitz continuous targets"}
    assert set(kink["outcome"]) <= {"pass", "does not apply"}
    assert "pass" in set(kink["outcome"])
    assert kink["detail"][kink["outcome"] == "pass"].str.contains("grows as t").all()


@pytest.mark.thorough
def test_a_small_initial_risk_goes_to_zero_for_an_affine_target(tmp_path: Path) -> None:
    study = make_study(
        targets={"affine": targets.Affine(1.0, 0.5)},
        initialization=gfc.initializations.NearAffine(slope=1.0, intercept=0.5, spread=0.001),
        integrators=flows(rtol=1e-9),
        network=gfc.ReLUNetwork((1, 4, 1)),
        times=gfc.Times(start=0.1, end=1e4, count=21),
        seeds=3,
    )
    found = verified(study, tmp_path)
    mine = found[found["check"] == "affine-target"]
    assert set(mine["outcome"]) == {"pass"}
    assert mine["detail"].str.contains("global minimum").all()
    assert set(found[found["check"] == "critical-point"]["outcome"]) == {"pass"}


def test_a_large_initial_risk_is_not_covered(frame: pd.DataFrame) -> None:
    mine = frame[(frame["problem"] == "affine") & (frame["check"] == "affine-target")]
    details = set(mine[mine["integrator"] == "standard-gf"]["detail"])
    assert any("initial risk is not below" in text for text in details)


def test_the_affine_theorem_needs_the_uniform_measure(tmp_path: Path) -> None:
    study = make_study(
        targets={"affine": targets.Affine(1.0, 0.5)},
        measure=measures.TruncatedNormal(0.5, 0.3, 0.0, 1.0),
        times=gfc.Times(end=1.0, count=3),
    )
    found = verified(study, tmp_path)
    mine = found[found["check"] == "affine-target"]
    assert set(mine["detail"]) == {"proved for widths [1, H, 1], the uniform measure and affine targets"}


def zigzag(hidden: int) -> np.ndarray:
    """The critical point with two breakpoints for f(x) = x on [0, 1]: slopes -1/3 ... of the classification.

    N = 1/2 + ... with breakpoints 1/3 and 2/3, and sums of v w equal to 2/3 there.
    """
    theta = np.zeros(3 * hidden + 1)
    w, b, v = (theta[k * hidden : (k + 1) * hidden] for k in range(3))
    w[:2], b[:2], v[:2] = [1.0, -1.0], [-1 / 3, 2 / 3], [2 / 3, -2 / 3]
    b[2:] = -1.0
    theta[-1] = 0.5
    return theta


@pytest.mark.parametrize("hidden", [2, 3])
def test_the_smallest_critical_risk_is_that_of_a_zigzag(hidden: int) -> None:
    problem = gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), targets.Affine(1.0, 0.0), measures.Uniform())
    theta = zigzag(hidden)
    np.testing.assert_allclose(problem.gradient(theta), 0.0, atol=1e-15)
    assert _smallest_critical_risk(problem) == pytest.approx(float(problem.risk(theta)), rel=1e-12)


def test_the_smallest_critical_risk_of_one_neuron_is_the_variance_and_of_a_constant_none() -> None:
    def threshold(target: gfc.Target) -> float:
        return _smallest_critical_risk(
            gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), target, measures.Uniform(0.0, 2.0))
        )

    assert threshold(targets.Affine(3.0, 1.0)) == pytest.approx(9.0 * 4.0 / 12.0, rel=1e-12)
    assert threshold(targets.Constant(2.0)) == np.inf


def test_continuity_of_a_target_is_seen_at_its_knots() -> None:
    def continuous(target: gfc.Target) -> bool:
        return _continuous(gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), target, measures.Uniform()))

    assert continuous(targets.AbsoluteValue(0.4))
    assert continuous(targets.Sine())
    assert not continuous(targets.Step())


def test_a_constant_target_bounds_the_risk_and_a_wrong_flow_exceeds_the_bound(
    frame: pd.DataFrame, wrong: pd.DataFrame
) -> None:
    mine = frame[(frame["check"] == "constant-target") & (frame["problem"] == "constant")]
    flow = mine[mine["integrator"].isin(["standard-gf", "normalized-gf"])]
    assert (flow["residual"] > 0).all()
    assert (flow["outcome"] == "pass").all()
    uphill = outcomes(wrong, integrator="uphill", problem="constant")
    assert "fail" in uphill["constant-target"]
    assert uphill["lyapunov"] == {"fail"}


# ---------------------------------------------------------------------------------------------------
# What the checks rest on.

floats = st.floats(-2.0, 2.0)


@examples(25)
@given(st.integers(1, 5), st.integers(1, 2), st.integers(0, 2**32 - 1), floats)
def test_the_lyapunov_function_has_the_derivative_that_is_claimed(
    hidden: int, outputs: int, seed: int, value: float
) -> None:
    network = gfc.ReLUNetwork((1, hidden, outputs))
    xi = np.full(outputs, value)
    problem = gfc.Problem(network, targets.Constant(xi.tolist()), measures.Uniform(-0.5, 1.0))
    theta = np.random.default_rng(seed).normal(size=network.parameter_count)
    bias = network.layers(theta)[-1].bias
    slope = 2.0 * theta
    network.layers(slope)[-1].bias[...] += 2.0 * (bias - 2.0 * xi)
    np.testing.assert_allclose(
        slope @ -problem.gradient(theta), -8.0 * problem.risk(theta), rtol=1e-9, atol=1e-9
    )
    assert float(lyapunov_slope(network, theta, xi, normalized=False)) == pytest.approx(np.linalg.norm(slope))
    on_m = network.normalize(theta)
    last = network.layers(on_m)[-1]
    slope = np.zeros_like(on_m)
    network.layers(slope)[-1].weight[...] = 2.0 * last.weight
    network.layers(slope)[-1].bias[...] = 2.0 * (last.bias - xi)
    velocity = -network.project(on_m, problem.gradient(on_m))
    np.testing.assert_allclose(slope @ velocity, -4.0 * problem.risk(on_m), rtol=1e-9, atol=1e-9)
    assert float(lyapunov_slope(network, on_m, xi, normalized=True)) == pytest.approx(np.linalg.norm(slope))
    start = float(lyapunov(network, theta, xi, normalized=False))
    assert start == pytest.approx(theta @ theta + ((bias - 2 * xi) ** 2).sum())


@pytest.mark.parametrize("measure", [measures.Uniform(), measures.Discretized(measures.Uniform(), 8)])
@pytest.mark.parametrize("normalized", [False, True])
def test_a_replay_is_the_closed_form_where_there_is_one(measure: gfc.Measure, normalized: bool) -> None:
    """With a dead neuron c' = -2 (c - xi), and the integrals are those of exponentials."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), targets.Constant(0.25), measure)
    theta = np.array([0.0, -1.0, 0.5, 1.25])
    found = Flow(problem, normalized, 1e-9, with_risk=True).follow(theta, 0.7, (1e-9, 1e-9))
    left = np.exp(-4 * 0.7)
    np.testing.assert_allclose(found.theta, [0.0, -1.0, 0.5, 0.25 + np.sqrt(left)], rtol=1e-7)
    assert found.trouble == ""
    assert found.dissipated == pytest.approx(1.0 - left, rel=1e-6)
    assert found.risk_integral == pytest.approx((1.0 - left) / 4, rel=1e-6)


def test_a_replay_says_why_it_could_not_go_on() -> None:
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), targets.Constant(0.25), measures.Uniform())
    found = Flow(problem, False, 1e-6).follow(np.full(4, 1e200), 1.0)
    assert found.trouble
    assert np.isnan(found.dissipated)


@pytest.mark.parametrize("widths", [(1, 4, 1), (1, 3, 2), (1, 3, 3, 1), (2, 3, 2)])
def test_the_derivative_norm_is_that_of_differences(widths: tuple[int, ...]) -> None:
    network = gfc.ReLUNetwork(widths)
    rng = np.random.default_rng(3)
    theta = rng.normal(size=(2, network.parameter_count))
    points, weights = rng.uniform(size=(7, widths[0])), rng.dirichlet(np.ones(7))
    sample = Sample(points, weights, np.zeros((7, widths[-1])))
    found = sample.derivative_norms(network, theta)
    for row, value in zip(theta, found, strict=True):
        steps = 1e-6 * np.eye(network.parameter_count)
        jacobian = (network.realize(row + steps, points) - network.realize(row - steps, points)) / 2e-6
        squares = (jacobian**2).sum(axis=(0, 2))
        assert value == pytest.approx(np.sqrt(weights @ squares), rel=1e-6)


def test_a_stored_measure_integrates_its_target(right: tuple[gfc.Study, Path]) -> None:
    data = gfc.open_study(right[1])["affine"].to_dataset()
    sample = Sample.stored(data)
    assert sample.weights.sum() == pytest.approx(1.0)
    assert sample.weights @ sample.points[:, 0] == pytest.approx(0.5)
    assert sample.spread == pytest.approx(1 / np.sqrt(12), rel=1e-4)
    assert Sample.stored(gfc.open_study(right[1])["constant"].to_dataset()).spread == pytest.approx(0.7)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.5])
def test_the_rate_of_a_power_law_is_found_without_its_limit(power: float) -> None:
    time = np.geomspace(1.0, 1000.0, 61)
    risk = 0.3 + 0.2 * time**-power
    found = decay(time, risk, 0.2 * power * time ** (-power - 1.0))
    assert found is not None
    assert found.rate.value == pytest.approx(power, abs=1e-10)
    assert found.rate.error < 1e-8
    assert found.limit == pytest.approx(0.3, abs=1e-10)
    assert found.lojasiewicz is not None
    assert found.lojasiewicz.value == pytest.approx((power + 1) / (2 * power), abs=1e-3)


def test_what_is_no_power_law_has_a_large_uncertainty() -> None:
    time = np.geomspace(1.0, 1000.0, 61)
    found = exponent(time[-20:], np.exp(-time[-20:] / 100.0))
    assert found is not None
    assert found.error > 1.0
    scattered = exponent(time, time * np.exp(np.random.default_rng(0).normal(size=61)))
    assert scattered is not None
    assert abs(scattered.value - 1.0) < 2 * scattered.error
    assert scattered.error > 0.1
    assert exponent(time[:4], time[:4]) is None
    assert exponent(np.ones(20), time[:20]) is None


# ---------------------------------------------------------------------------------------------------
# Results that say too little, choices, files and the command.


def squared(x: np.ndarray) -> np.ndarray:
    return x**2


@pytest.mark.thorough
def test_a_python_target_is_checked_as_far_as_its_result_goes(tmp_path: Path) -> None:
    study = make_study(targets={"own": targets.Function(squared)})
    tree = study.run(tmp_path, jobs=1)
    alone = theory.verify(tree)
    reasons = set(alone[alone["check"] == "flow"]["detail"])
    assert len(reasons) == 1
    assert "must be a Python function" in reasons.pop()
    found = outcomes(alone, integrator="standard-gf")
    for check in ("risk", "displacement", "balancedness", "normalization"):
        assert found[check] == {"pass"}, check
    with_study = outcomes(theory.verify(tree, study=study), integrator="standard-gf")
    for check in INVARIANTS:
        assert with_study[check] == {"pass"}, check


@pytest.mark.thorough
def test_a_python_target_on_points_is_known_by_its_values(tmp_path: Path) -> None:
    study = make_study(
        targets={"own": targets.Function(squared)},
        measure=measures.Discretized(measures.Uniform(), 8),
        times=gfc.Times(end=10.0, count=6),
        seeds=1,
    )
    found = outcomes(theory.verify(study.run(tmp_path, jobs=1)), integrator="standard-gf")
    assert found["flow"] == found["stored-risk"] == {"pass"}


@pytest.mark.thorough
def test_a_method_that_is_not_installed_is_named(tmp_path: Path) -> None:
    study = make_study(integrators={"mine": Right()})
    tree = study.run(tmp_path, jobs=1)
    alone = theory.verify(tree)
    assert failures(alone) == []
    (reason,) = set(alone[alone["check"] == "flow"]["detail"])
    assert "unknown integrator 'right'" in reason
    assert "--plugin" in reason
    assert outcomes(theory.verify(tree, study=study))["flow"] == {"pass"}


def test_another_flow_is_not_held_to_the_gradient_flow(tmp_path: Path) -> None:
    found = verified(
        make_study(integrators={"modified": gfc.integrator("modified-flow", step_size=0.1)}), tmp_path
    )
    assert failures(found) == []
    assert set(found[found["check"] == "flow"]["detail"]) == {
        "the method does not claim to follow a gradient flow"
    }


def test_flows_are_followed_anew_for_the_seeds_asked_for(right: tuple[gfc.Study, Path]) -> None:
    tree = gfc.open_study(right[1])
    sine = xr.DataTree.from_dict({"/": tree.to_dataset(), "sine": tree["sine"].to_dataset()})
    told: list[tuple[int, int]] = []
    found = theory.verify(sine, seeds=1, progress=lambda done, total: told.append((done, total)))
    mine = found[(found["integrator"] == "standard-gf") & (found["check"] == "flow")]
    assert mine["outcome"].tolist() == ["pass", "does not apply", "does not apply"]
    assert theory.seeds_left_out(found) == [1, 2]
    assert set(found[(found["integrator"] == "standard-gf") & (found["check"] == "risk")]["outcome"]) == {
        "pass"
    }
    assert told == [(n, 15) for n in range(1, 16)]
    with pytest.raises(gfc.InputError, match="seeds must be at least 1, got 0"):
        theory.verify(sine, seeds=0)


def test_a_trajectory_without_states_or_with_one_is_left_out(right: tuple[gfc.Study, Path]) -> None:
    tree = gfc.open_study(right[1])
    data = tree["sine"].to_dataset().isel(seed=[0, 1], integrator=[0])
    for name in ("weight_1", "bias_1", "weight_2", "bias_2", "risk", "gradient_norm", "flow_time"):
        values = data[name].values.copy()
        values[0, 0], values[0, 1, 1:] = np.nan, np.nan
        data[name] = (data[name].dims, values)
    found = theory.verify(xr.DataTree.from_dict({"/": tree.to_dataset(), "sine": data}))
    assert set(found[found["seed"] == 0]["detail"]) == {"the trajectory has no states"}
    one = outcomes(found, seed=1)
    assert one["flow"] == one["risk"] == one["displacement"] == {"does not apply"}
    assert one["normalization"] == {"pass"}
    assert failures(found) == []


@pytest.mark.thorough
def test_seeds_checked_together_are_found_as_they_are_alone(
    right: tuple[gfc.Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, also where one of them has fewer states: then the others are still together."""
    study, folder = right
    tree = gfc.open_study(folder).load()
    node = tree[study.problems[0].name]
    for name in ("weight_1", "bias_1", "weight_2", "bias_2", "risk"):
        values = node[name].values
        values[0, 1, 3:] = np.nan
        node[name] = node[name].copy(data=values)
    together = theory.verify(tree, seeds=1)
    monkeypatch.setattr("gfcompare.theory.stored_trajectories._TOGETHER", 1)
    pd.testing.assert_frame_equal(theory.verify(tree, seeds=1), together, check_exact=True)


@pytest.mark.parametrize("whole", [[], [True] * 5, [False, True, True, True, False, False, True]])
def test_blocks_have_every_seed_once_in_order_and_only_whole_ones_together(whole: list[bool]) -> None:
    blocks = list(_runs(whole, 2))
    assert [m for block in blocks for m in block] == list(range(len(whole)))
    assert all(len(block) <= 2 and (len(block) == 1 or all(whole[m] for m in block)) for block in blocks)


def test_tables_condense_and_explain(frame: pd.DataFrame, wrong: pd.DataFrame) -> None:
    table = theory.condensed(wrong)
    row = table[(table["check"] == "flow") & (table["method"] == "double")].iloc[0]
    assert (row["passed"], row["failed"], row["left out"]) == (0, 4, 0)
    assert row["residual"] > row["tolerance"]
    assert table["check"].tolist() == sorted(table["check"], key=[c.name for c in theory.CHECKS].index)
    reasons = theory.left_out(frame)
    opened = reasons[reasons["reason"] == "open for the standard flow"].iloc[0]
    assert (opened["check"], opened["methods"], opened["trajectories"]) == ("boundedness", "standard-gf", 9)


@pytest.mark.thorough
def test_the_checks_become_variables_of_the_result(
    right: tuple[gfc.Study, Path], frame: pd.DataFrame, tmp_path: Path
) -> None:
    file = tmp_path / "result.nc"
    file.write_bytes(opening.result_path(right[1]).read_bytes())
    before = gfc.open_study(file)
    for _ in range(2):  # again: in place of what is there
        store.add(file, theory.variables(frame, before), "check", before)
    after = gfc.open_study(file)
    assert gfc.validate(after) == []
    assert after.attrs == before.attrs
    for name, node in before.children.items():
        old, new = node.to_dataset(), after[name].to_dataset()
        assert set(new.variables) == set(old.variables) | set(schema.THEORY_VARIABLES)
        assert new.attrs.keys() == old.attrs.keys()
        for key in old.variables:
            assert old[key].attrs.keys() == new[key].attrs.keys()
            assert_same_bits(old[key].values, new[key].values, key)
        row = frame[(frame["problem"] == name) & (frame["check"] == "energy")].iloc[2]
        one = new.sel(check="energy", integrator=row["integrator"], seed=row["seed"])
        assert float(one["theory_residual"]) == row["residual"]
        assert str(one["theory_detail"].values) == row["detail"]
        meanings = new["theory_outcome"].attrs["flag_meanings"].split()
        assert meanings[int(one["theory_outcome"])].replace("_", " ") == row["outcome"]
    data = after["sine"].to_dataset()
    data["theory_outcome"] = data["theory_outcome"] + 3
    broken = xr.DataTree.from_dict({"/": after.to_dataset(), "sine": data})
    assert gfc.validate(broken) == ["problem 'sine': 'theory_outcome' has values outside its flag_values"]
    broken = xr.DataTree.from_dict({"/": after.to_dataset(), "sine": data.drop_vars("theory_unit")})
    assert gfc.validate(broken) == ["problem 'sine': no variable 'theory_unit'"]


def test_a_result_that_cannot_be_written_stays_as_it_was(
    right: tuple[gfc.Study, Path], frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "result.nc"
    content = opening.result_path(right[1]).read_bytes()
    file.write_bytes(content)
    before = gfc.open_study(file)
    found = theory.variables(frame, before)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(OSError, match="No space left"):
        store.add(file, found, "check", before)
    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["result.nc"]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; return its exit code and what it printed."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, " ".join(printed.err.split())

    return run


@pytest.mark.thorough
def test_the_command_prints_a_table_and_keeps_what_was_found(
    tmp_path: Path, study_file: Any, command: Any
) -> None:
    path = study_file(("[integrators.gd]\nstep_size = 0.1", "[integrators.standard-gf]"))
    gfc.Study.from_toml(path).run(tmp_path / "out", jobs=1)
    code, printed, _ = command("verify", tmp_path / "out", "--seeds", "1")
    assert code == 0, printed
    assert "0 failed; added to" in printed
    assert "not for seeds 1 to 1; --all checks every seed" in printed
    assert "open for the standard flow: boundedness of standard-gf (2)" in printed
    tree = gfc.open_study(tmp_path / "out")
    assert tree["sine"]["theory_outcome"].sel(check="flow").values.tolist() == [[1, 0]]
    assert gfc.validate(tree) == []


DOUBLE = """\
from dataclasses import dataclass
from typing import ClassVar

import gfcompare as gfc


@dataclass(frozen=True)
class Double(gfc.FlowIntegrator):
    name: ClassVar[str] = "double"
    follows = "standard"

    def velocity(self, problem, y):
        return -2.0 * problem.gradient(y)


@gfc.hookimpl
def gfcompare_integrators():
    return [Double]
"""


@pytest.mark.usefixtures("fresh_registry")
def test_the_command_fails_if_a_check_does(
    tmp_path: Path, study_file: Any, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "double.py"
    plugin.write_text(DOUBLE, encoding="utf-8")
    plugin_files.load_file(plugin)
    path = study_file(("[integrators.gd]\nstep_size = 0.1", "[integrators.double]"))
    gfc.Study.from_toml(path).run(tmp_path / "out", jobs=1)
    code, printed, said = command("verify", tmp_path / "out", "--plugin", plugin)
    assert code == 1
    assert "Traceback" not in said
    assert "fail flow: sine / double / seed 0: " in printed
    tree = gfc.open_study(tmp_path / "out")
    assert (tree["sine"]["theory_outcome"].sel(check="flow") == 2).all()
    monkeypatch.setattr(registry, "_registry", None)
    code, printed, _ = command("verify", tmp_path / "out")
    assert code == 0
    assert "unknown integrator 'double'" in printed


def test_the_command_refuses_what_is_no_result(tmp_path: Path, command: Any) -> None:
    code, printed, said = command("verify", tmp_path)
    assert (code, printed) == (2, "")
    assert "no result at" in said
    (tmp_path / "result.nc").write_bytes(b"not a netCDF file")
    code, _, said = command("verify", tmp_path)
    assert code == 2
    assert "not a netCDF-4 file" in said


def test_every_check_is_documented() -> None:
    page = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
    for check in theory.CHECKS:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{check.name}` |")]
        identifiers = [
            word for word in check.reference.replace(",", " ").split() if word.startswith("arXiv:")
        ]
        for word in identifiers:
            assert word in row, (check.name, word)


@pytest.mark.thorough
def test_what_holds_under_normal_inputs(tmp_path):
    study = make_study(
        targets={"teacher": targets.Teacher((3, 2, 1)), "constant": targets.Constant(0.7)},
        network=gfc.ReLUNetwork((3, 4, 1)),
        measure=measures.Gaussian(0.2, [1.0, 2.0, 0.5], 3),
    )
    frame = verified(study, tmp_path)
    assert not failures(frame)
    checked = set(frame[frame["outcome"] == "pass"]["check"])
    assert {*INVARIANTS, "lyapunov", "balancedness", "manifold"} <= checked
