"""Claims of methods to follow a flow: declared, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr

import gfcompare as gfc
from gfcompare import figures, theory
from gfcompare.figures.data import view
from gfcompare.figures.distance_to_flow import DistanceToFlow
from gfcompare.figures.distance_to_own_flow import DistanceToOwnFlow, claims, compared_on_manifold, references
from gfcompare.hooks import registry
from gfcompare.integrators.base import check_method


@dataclass(frozen=True)
class Double(gfc.FlowIntegrator):
    """A flow of twice the speed, without options of its own."""

    name: ClassVar[str] = "double"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -2.0 * problem.gradient(y)


@dataclass(frozen=True)
class Mirror(gfc.FlowIntegrator):
    """The mirror flow of the hypentropy of parameter 1: theta' = -sqrt(1 + theta^2) G."""

    name: ClassVar[str] = "mirror"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -np.sqrt(1.0 + y**2) * problem.gradient(y)


@dataclass(frozen=True)
class Own(gfc.FlowIntegrator):
    """The standard flow of somebody else."""

    name: ClassVar[str] = "own"
    follows = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -problem.gradient(y)


def study(**methods: gfc.Integrator) -> gfc.Study:
    return gfc.Study(
        "follows",
        targets={"sine": gfc.targets.Sine()},
        integrators=methods,
        network=gfc.ReLUNetwork((1, 3, 1)),
        times=gfc.Times(spacing="linear", end=4.0, count=5),
        seeds=2,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    return study(
        flow=gfc.integrator("standard-gf", rtol=1e-5),
        double=Double(rtol=1e-10),
        mirror=Mirror(rtol=1e-6),
        gd=gfc.integrator("gd", step_size=0.05),
        on_m=gfc.integrator("gd", step_size=0.05, normalize=True),
        normalized=gfc.integrator("normalized-gf"),
    ).run(tmp_path_factory.mktemp("follows"), jobs=1)


def test_the_built_in_flows_claim_theirs_and_no_other_method_any() -> None:
    claimed = {cls.name: cls.follows for cls in registry.registry().all("integrators") if cls.follows}
    assert claimed == {"standard-gf": "standard", "normalized-gf": "normalized"}
    assert gfc.Integrator.follows is None


def test_the_claim_is_stored(tree: xr.DataTree) -> None:
    assert tree["sine"]["follows"].values.tolist() == ["standard", "", "", "", "", "normalized"]
    assert gfc.validate(tree) == []


def test_only_what_claims_the_flow_is_the_reference(tree: xr.DataTree) -> None:
    """Although `double` has the smallest tolerance and no option but the accuracy."""
    data = tree["sine"]
    problem = study(gd=gfc.integrator("gd")).problems[0].problem
    theta = np.concatenate(
        [
            data[n].values.reshape(*data[n].shape[:3], -1)
            for n in ("weight_1", "bias_1", "weight_2", "bias_2")
        ],
        axis=-1,
    )
    reference = gfc.integrate(
        problem, gfc.integrator("standard-gf", rtol=1e-10), theta[0, :, 0], data["time"].values
    )
    exact = np.concatenate(
        [reference[n].values.reshape(2, 5, -1) for n in ("weight_1", "bias_1", "weight_2", "bias_2")], axis=-1
    )
    stored = data["distance_to_flow"]
    for name in ("double", "gd", "mirror"):
        found = stored.sel(integrator=name).values
        place = list(data["integrator"].values).index(name)
        np.testing.assert_allclose(found, np.linalg.norm(theta[place] - exact, axis=-1), atol=1e-3, rtol=1e-3)
        assert (found[:, 1:] > 1e-3).all()
    assert (stored.sel(integrator="flow") == 0).all()


def test_another_flow_is_not_judged_as_the_standard_one(tree: xr.DataTree) -> None:
    by_class = study(
        flow=gfc.integrator("standard-gf", rtol=1e-5),
        double=Double(rtol=1e-10),
        mirror=Mirror(rtol=1e-6),
        gd=gfc.integrator("gd", step_size=0.05),
        on_m=gfc.integrator("gd", step_size=0.05, normalize=True),
        normalized=gfc.integrator("normalized-gf"),
    )
    frame = theory.verify(tree, study=by_class)
    assert list(frame[frame["outcome"] == theory.FAIL]["check"]) == []
    flow = frame[frame["check"] == "flow"].groupby("integrator")["outcome"].agg(set).to_dict()
    assert flow["flow"] == flow["normalized"] == {theory.PASS}
    for name in ("double", "mirror", "gd", "on_m"):
        assert flow[name] == {"does not apply"}


@pytest.mark.thorough
def test_a_plugin_that_claims_the_flow_is_held_to_it_and_may_be_the_reference(tmp_path: Path) -> None:
    made = study(own=Own(rtol=1e-9), coarse=gfc.integrator("standard-gf", rtol=1e-4))
    tree = made.run(tmp_path, jobs=1)
    assert (tree["sine"]["distance_to_flow"].sel(integrator="own") == 0).all()
    frame = theory.verify(tree, study=made)
    assert set(frame[(frame["check"] == "flow") & (frame["integrator"] == "own")]["outcome"]) == {theory.PASS}


# Two figures, two quantities


def test_the_figure_of_a_variables_name_draws_the_variable(tree: xr.DataTree) -> None:
    shown = DistanceToFlow().shown(view(tree))
    assert shown.methods == ("double", "mirror", "gd", "on_m", "normalized")
    stored = tree["sine"]["distance_to_flow"].sel(integrator=list(shown.methods))
    np.testing.assert_array_equal(shown.groups["sine"]["distance_to_flow"], stored)  # all hit the save times
    figures.distance_to_flow(tree)


def test_on_m_the_own_flow_is_the_normalised_one(tree: xr.DataTree) -> None:
    own = DistanceToOwnFlow().view(tree)
    assert own.methods == ("double", "mirror", "gd", "on_m")
    data, stored = own.groups["sine"]["distance_to_own_flow"], tree["sine"]["distance_to_flow"]
    np.testing.assert_array_equal(data.sel(integrator="gd"), stored.sel(integrator="gd"))
    group = tree["sine"]
    difference = sum(
        ((group[n].sel(integrator="on_m") - group[n].sel(integrator="normalized")) ** 2).sum(
            [d for d in group[n].dims if d not in ("integrator", "seed", "time")]
        )
        for n in ("weight_1", "bias_1", "weight_2", "bias_2")
    )
    np.testing.assert_allclose(data.sel(integrator="on_m"), np.sqrt(difference), rtol=1e-12)
    assert (data.sel(integrator="on_m") < 0.2 * stored.sel(integrator="on_m")).isel(time=-1).all()
    figures.distance_to_own_flow(tree)


def test_without_a_method_on_m_the_two_would_be_the_same(tree: xr.DataTree) -> None:
    alone = xr.DataTree.from_dict({"sine": tree["sine"].to_dataset().sel(integrator=["flow", "gd"])})
    assert not compared_on_manifold(alone["sine"].to_dataset())
    with pytest.raises(figures.NothingToDraw, match="a method on M beside the normalised gradient flow"):
        figures.distance_to_own_flow(alone)
    none = xr.DataTree.from_dict({"sine": tree["sine"].to_dataset().sel(integrator=["flow"])})
    with pytest.raises(figures.NothingToDraw, match="no method beside the standard gradient flow"):
        figures.distance_to_flow(none)


def test_a_step_beside_the_save_time_is_not_drawn(tree: xr.DataTree) -> None:
    data = tree["sine"].to_dataset(inherit=False).copy(deep=True)
    data["flow_time"].loc[{"integrator": "gd", "time": 2.0}] = 2.01
    shown = DistanceToFlow().shown(view(xr.DataTree.from_dict({"sine": data})))
    drawn = shown.groups["sine"]["distance_to_flow"].sel(integrator="gd")
    assert np.isnan(drawn.sel(time=2.0)).all()
    assert np.isfinite(drawn.sel(time=[0.0, 1.0, 3.0, 4.0])).all()


def test_a_result_from_before_the_claim_was_stored(tree: xr.DataTree) -> None:
    """The method's class says it, where it is there; a name that no plugin has claims nothing."""
    data = tree["sine"].to_dataset().drop_vars("follows")
    assert claims(data).tolist() == ["standard", "", "", "", "", "normalized"]
    assert references(data) == {"standard": 0, "normalized": 5}


# Claims that contradict the rest of the method


def wrong(follows: str, *, on: bool, base: type[gfc.Integrator] = gfc.FlowIntegrator) -> gfc.Integrator:
    space = {
        "name": "wrong",
        "follows": follows,
        "on_manifold": property(lambda self: on),
        "velocity": lambda self, problem, y: -problem.gradient(y),
        "advance": lambda self, problem, state, time: state,
    }
    if base is gfc.FlowIntegrator:
        del space["advance"]
    made: gfc.Integrator = dataclass(frozen=True)(type("Wrong", (base,), space))()
    return made


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (wrong("normalized", on=False), "Wrong follows the normalized flow and lives off M"),
        (wrong("standard", on=True), "Wrong follows the standard flow and lives on M"),
        (
            wrong("normalised", on=True),
            "follows of Wrong must be 'standard', 'normalized' or None, got 'normali",
        ),
        (
            wrong("standard", on=False, base=gfc.Integrator),
            "Wrong follows the standard flow up to a tolerance, but",
        ),
    ],
)
def test_contradictions_are_refused(method: gfc.Integrator, message: str) -> None:
    with pytest.raises(gfc.InputError, match=message):
        check_method(method)
    with pytest.raises(gfc.InputError, match=f"integrators.m: {message}"):
        study(m=method)
    problem = study(gd=gfc.integrator("gd")).problems[0].problem
    with pytest.raises(gfc.InputError, match=message):
        gfc.integrate(problem, method, np.zeros(10), [1.0])
