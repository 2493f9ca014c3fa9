"""Frozen groups of parameters: gradient and Hessian 0 there, for every method; what is conserved then."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import gfcompare as gfc
from gfcompare.critical_points import normal_form
from gfcompare.evaluators.frozen import conserved_neurons
from gfcompare.figures.spectrum import eigenvalues
from gfcompare.hooks.registry import registry
from gfcompare.results.rebuild import Rebuilt, problem_of
from gfcompare.theory import verify
from gfcompare.theory.stored_trajectories import stored_blocks
from gfcompare.theory.tolerances import Sample

LINE = (gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Sine(), gfc.measures.Uniform(0.0, 1.0))
POINTS = (gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Sine(), gfc.measures.Uniform().discretize(9, "quantiles"))
DEEP = (gfc.ReLUNetwork((1, 3, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform(0.0, 1.0))
KINDS = {"line": LINE, "points": POINTS, "deep": DEEP}
COMMITTEE = ("biases", "weight_2")


def networks(network: gfc.ReLUNetwork, count: int) -> np.ndarray:
    he = gfc.initializations.He()
    return np.stack([he.draw(network, np.random.default_rng(s)) for s in range(count)])


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(deadline=None, max_examples=20)
def test_derivatives_vanish_there_and_are_kept_elsewhere(kind: str, data: st.DataObject) -> None:
    parts = KINDS[kind]
    groups = parts[0].groups
    frozen = data.draw(st.lists(st.sampled_from(groups), max_size=3, unique=True))
    if parts[0].members(frozen).all():
        return
    whole, problem = gfc.Problem(*parts), gfc.Problem(*parts, frozen=frozen)
    theta = networks(parts[0], 2)
    fixed = parts[0].members(frozen)
    assert (problem.free == ~fixed).all()
    assert problem.risk(theta) == pytest.approx(whole.risk(theta), rel=1e-15)
    expected = np.where(fixed, 0.0, whole.gradient(theta))
    np.testing.assert_array_equal(problem.gradient(theta), expected)
    if whole.has_hessian:
        hessian = whole.hessian(theta)
        hessian[:, fixed] = 0.0
        hessian[:, :, fixed] = 0.0
        np.testing.assert_array_equal(problem.hessian(theta), hessian)
    vector = np.ones(len(fixed))
    product = problem.hessian_product(theta[0], vector)
    assert not product[fixed].any()
    seeds = np.random.default_rng(1), np.random.default_rng(1)
    batch = problem.sample_gradient(theta, 4, seeds[0])
    np.testing.assert_array_equal(batch, np.where(fixed, 0.0, whole.sample_gradient(theta, 4, seeds[1])))


@pytest.mark.parametrize("name", registry().names("integrators"))
@pytest.mark.parametrize("kind", ["line", "points"])
def test_every_method_leaves_them_where_they_are(name: str, kind: str) -> None:
    if name in ("torch-optim", "optax"):
        pytest.importorskip({"torch-optim": "torch", "optax": "optax"}[name])
    if (name, kind) == ("modified-flow", "points"):
        pytest.skip("modified-flow needs a smooth risk")
    problem = gfc.Problem(*KINDS[kind], frozen=COMMITTEE)
    method = gfc.integrator(name)
    theta = networks(problem.network, 2)
    if method.on_manifold:
        with pytest.raises(gfc.InputError, match="would change the frozen parameters weight_2, biases"):
            gfc.integrate(problem, method, theta, [0.0, 1.0])
        return
    data = gfc.integrate(problem, method, theta, [0.0, 1.0])
    found = gfc.parameters(data)
    fixed = ~problem.free
    np.testing.assert_array_equal(found[:, :, fixed], np.broadcast_to(theta[:, None, fixed], (2, 2, 7)))
    assert (found[:, -1, ~fixed] != theta[:, ~fixed]).any(axis=1).all()
    assert (data["risk"].values[:, -1] < data["risk"].values[:, 0]).all()


def test_sgd_leaves_them_where_they_are_with_its_own_batches() -> None:
    whole, problem = gfc.Problem(*LINE), gfc.Problem(*LINE, frozen=["bias_2"])
    theta = networks(problem.network, 2)
    sgd = gfc.integrator("sgd", step_size=0.1, batch_size=8)
    ends = [gfc.parameters(gfc.integrate(p, sgd, theta, [0.0, 0.1]))[:, -1] for p in (whole, problem)]
    np.testing.assert_allclose(ends[0][:, :-1], ends[1][:, :-1], rtol=1e-13)  # one step, the same batch
    np.testing.assert_array_equal(ends[1][:, -1], theta[:, -1])
    assert (ends[0][:, -1] != theta[:, -1]).all()


@pytest.mark.parametrize("frozen", [("weight_2",), ("biases",), ("bias_2",), COMMITTEE])
def test_the_flow_agrees_with_scipy(frozen: tuple[str, ...]) -> None:
    problem = gfc.Problem(*LINE, frozen=frozen)
    theta = networks(problem.network, 1)[0]
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-9), theta, [0.0, 1.0, 10.0])
    right = solve_ivp(
        lambda _, y: -problem.gradient(y),
        (0.0, 10.0),
        theta,
        "LSODA",
        t_eval=[1.0, 10.0],
        rtol=1e-11,
        atol=1e-13,
    )
    np.testing.assert_allclose(gfc.parameters(data)[0, 1:], right.y.T, rtol=1e-6, atol=1e-7)


def test_what_is_conserved() -> None:
    network = gfc.ReLUNetwork((1, 3, 2, 1))
    assert conserved_neurons(network, ()).tolist() == [True] * 5
    assert conserved_neurons(network, ["bias_3"]).tolist() == [True] * 5
    assert conserved_neurons(network, ["weight_1"]).tolist() == [False] * 3 + [True] * 2
    assert conserved_neurons(network, ["weight_3"]).tolist() == [True] * 3 + [False] * 2
    assert conserved_neurons(network, ["weight_2"]).tolist() == [False] * 5
    flow = gfc.integrator("standard-gf", rtol=1e-4)
    for frozen, conserved in ((["bias_2"], True), (["weight_2"], False)):
        problem = gfc.Problem(*LINE, frozen=frozen)
        theta = networks(problem.network, 2)
        data = gfc.integrate(problem, flow, theta, [0.0, 100.0])
        assert ("balancedness_drift" in data) == conserved
        balance = np.concatenate(problem.network.balancedness(gfc.parameters(data)), axis=-1)
        drift = np.abs(balance[:, -1] - balance[:, 0]).max()
        assert (drift < 1e-12) == conserved


def test_on_m_only_the_output_bias_may_be_frozen() -> None:
    problem = gfc.Problem(*LINE, frozen=["bias_2"])
    flow = gfc.integrator("normalized-gf")
    theta = networks(problem.network, 2)
    data = gfc.integrate(problem, flow, theta, [0.0, 10.0])
    found = gfc.parameters(data)
    np.testing.assert_array_equal(found[:, -1, -1], theta[:, -1])
    assert problem.network.distance_to_manifold(found).max() < 1e-14
    with pytest.raises(gfc.InputError, match="lives on the submanifold M"):
        gfc.integrate(gfc.Problem(*LINE, frozen=["bias_1"]), flow, theta, [0.0, 1.0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frozen", [COMMITTEE, ("weight_1", "bias_1"), ("biases", "weight_1")])
def test_curvature_is_that_of_the_free_parameters(kind: str, frozen: tuple[str, ...]) -> None:
    problem = gfc.Problem(*KINDS[kind], frozen=frozen)
    theta = networks(problem.network, 1)[0]
    free = np.flatnonzero(problem.free)
    units = np.eye(len(theta))[free]
    matrix = problem.hessian_product(np.tile(theta, (len(free), 1)), units)[:, free]
    right = np.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    k = len(free) // 2
    found = problem.curvature(theta, k)
    atol = (1e-14 if problem.has_hessian else 1e-6) * right[-1]
    np.testing.assert_allclose(found.smallest, right[:k], rtol=0.0, atol=atol)
    np.testing.assert_allclose(found.largest, right[-k:], rtol=0.0, atol=atol)
    drawn = eigenvalues(problem, theta)
    if problem.has_hessian:
        np.testing.assert_allclose(drawn, right, rtol=0.0, atol=atol)
    elif problem.smooth:
        assert drawn.shape == (2 * k,)
    else:
        assert drawn.shape == (len(free),)
    with pytest.raises(gfc.InputError, match=f"between 1 and {k}, got"):
        problem.curvature(theta, k + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_strict_minimum_of_the_free_parameters_has_positive_curvature_only(kind: str) -> None:
    network = KINDS[kind][0]
    last = f"bias_{network.depth}"
    problem = gfc.Problem(*KINDS[kind], frozen=[g for g in network.groups if g not in (last, "biases")])
    found = problem.curvature(networks(network, 1)[0])
    # L = (c - ...)^2 + ...: the second derivative by the output bias is 2.
    assert found.smallest == pytest.approx(2.0, rel=1e-8)
    assert found.sharpness == pytest.approx(2.0, rel=1e-8)
    assert eigenvalues(problem, networks(network, 1)[0]) == pytest.approx([2.0], rel=1e-8)


def test_critical_points_are_known_where_all_parameters_are_free() -> None:
    parts = (LINE[0], gfc.targets.Polynomial([0.2, 1.0]), LINE[2])
    theta = networks(LINE[0], 1)[0]
    assert normal_form(gfc.Problem(*parts), theta).kind.value == "not critical"
    with pytest.raises(gfc.InputError, match=r"where all parameters are free, got frozen = \['weight_2'\]"):
        normal_form(gfc.Problem(*parts, frozen=["weight_2"]), theta)


@pytest.mark.parametrize(("method", "largest"), [("auto", 1e-5), ("adams", 6e-6), ("explicit", 2e-6)])
def test_the_tolerance_is_that_of_the_free_parameters(method: str, largest: float) -> None:
    """17 of 817 are free: with the root mean square over all, errors came up to 5e-5, 1.4e-5 and 6e-6."""
    network = gfc.ReLUNetwork((100, 8, 1))
    target, measure = gfc.targets.Teacher((100, 4, 1), seed=3), gfc.measures.Gaussian(dimension=100)
    problem = gfc.Problem(network, target, measure, frozen=["weight_1"])
    theta, free = networks(network, 2), np.flatnonzero(problem.free)

    def velocity(start: np.ndarray, y: np.ndarray) -> np.ndarray:
        moved = start.copy()
        moved[free] = y
        return -problem.gradient(moved)[free]

    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-5, method=method), theta, [30.0])
    errors = []
    for start, found in zip(theta, gfc.parameters(data)[:, 0], strict=True):
        right = solve_ivp(
            lambda _, y, start=start: velocity(start, y),
            (0.0, 30.0),
            start[free],
            "LSODA",
            rtol=1e-9,
            atol=1e-11,
        ).y[:, -1]
        errors.append(np.linalg.norm(found[free] - right) / np.linalg.norm(right))
    assert max(errors) < largest


@pytest.mark.thorough
def test_frozen_parameters_loosen_no_check(tmp_path, monkeypatch) -> None:
    """Of two networks that differ in how large frozen weights are, errors of equal size are allowed."""
    network, mask = LINE[0], LINE[0].members(["weight_1", "bias_1"])
    theta = networks(network, 5)
    rng = np.random.default_rng(0)
    sample = Sample(rng.uniform(size=(7, 1)), np.full(7, 1 / 7), np.zeros((7, 1)))
    free = ~mask
    found = sample.derivative_norms(network, theta, free)
    steps = 1e-6 * np.eye(len(mask))[free]
    for row, value in zip(theta, found, strict=True):
        jacobian = network.realize(row + steps, sample.points) - network.realize(row - steps, sample.points)
        assert value == pytest.approx(np.sqrt((jacobian**2).sum(axis=0).mean()) / 2e-6, rel=1e-6)
    study = gfc.Study(
        "frozen",
        targets={"sine": LINE[1]},
        integrators={"gf": gfc.integrator("standard-gf")},
        network=network,
        frozen=["weight_1", "bias_1"],
        times=gfc.Times("log", 1.0, 10.0, 3),
        seeds=1,
    )
    tree = study.run(tmp_path, jobs=1, progress=False)
    ((one,),) = stored_blocks(tree, Rebuilt(tree), None)
    theta = one.states.theta
    large = replace(one, states=replace(one.states, theta=np.where(mask, 1e6 * theta, theta)))
    np.testing.assert_array_equal(one.errors, large.errors)
    assert (one.errors > 0).all()
    # From states moved by what is allowed, the flow goes on with the same frozen parameters.
    moved = []
    follow = one.replays._follow

    def followed(i: int, theta: np.ndarray, *rest: object, **named: object) -> object:
        moved.append(theta)
        return follow(i, theta, *rest, **named)

    monkeypatch.setattr(one.replays, "_follow", followed)
    assert one.replays._reach(0) > 0.0
    assert len(moved) == 6
    np.testing.assert_array_equal(np.array(moved)[:, mask], np.tile(one.theta[0, mask], (6, 1)))


def test_wrong_groups_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(gfc.InputError, match="weight_2"):
        gfc.Problem(*LINE, frozen=["weights_2"])
    with pytest.raises(gfc.InputError, match="must be a list"):
        gfc.Problem(*LINE, frozen="biases")
    with pytest.raises(gfc.InputError, match="leave some parameters free"):
        gfc.Problem(*LINE, frozen=["biases", "weight_1", "weight_2"])


def test_a_study_freezes_and_its_result_says_so(tmp_path) -> None:
    file = tmp_path / "committee.toml"
    file.write_text(
        'name = "committee"\nseeds = 2\nfrozen = ["biases", "weight_2"]\n[times]\nend = 2.0\ncount = 3\n'
        "[network]\nwidths = [1, 3, 1]\n[targets.sine]\n[integrators.standard-gf]\n[integrators.gd]\n"
    )
    study = gfc.Study.from_toml(file)
    tree = study.run(tmp_path / "out", jobs=1)
    group = tree["sine"].to_dataset()
    assert json.loads(group.attrs["evaluation"])["frozen"] == ["weight_2", "biases"]
    assert problem_of(group).frozen == ("weight_2", "biases")
    assert (group["weight_2"] == group["weight_2"].isel(time=0)).all()
    assert "balancedness_drift" not in group
    checked = verify(tree).set_index(["integrator", "check"])
    for check in ("flow", "energy", "displacement"):
        assert set(checked.loc[("standard-gf", check), "outcome"]) == {"pass"}
    for check, reason in (
        ("balancedness", "every neuron has frozen parameters"),
        ("rate", "proved for networks without"),
    ):
        found = checked.loc[("standard-gf", check)]
        assert set(found["outcome"]) == {"does not apply"}
        assert found["detail"].str.startswith(reason).all()
    file.write_text(file.read_text() + "[integrators.normalized-gf]\n")
    with pytest.raises(gfc.InputError, match="only bias_2 may be frozen there"):
        gfc.Study.from_toml(file)
