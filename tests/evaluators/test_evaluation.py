"""Choice of a problem's evaluator: the written order, its reasons, and evaluators of plugins."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import simpson
from support import ROOT

import gfcompare as gfc
from gfcompare.evaluators import order
from gfcompare.evaluators.base import Evaluator
from gfcompare.hooks import plugin_files
from gfcompare.hooks import registry as plugins
from gfcompare.hooks.hookspecs import KINDS, Kind
from gfcompare.measures import LineMeasure

LINE = gfc.measures.Uniform(-1.0, 2.0)
CUBE = gfc.measures.Box(0.0, 1.0, dimension=3)


def test_the_order_is_data_and_every_evaluator_stands_in_it() -> None:
    assert set(plugins.registry().all("evaluators")) >= {*order.EXACT, *order.APPROXIMATE}
    assert all(evaluator.exact for evaluator in order.EXACT)
    assert not any(evaluator.exact for evaluator in order.APPROXIMATE)
    assert order.evaluators()[: len(order.EXACT)] == order.EXACT


def test_one_input_one_hidden_layer_has_nothing_better() -> None:
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Constant(1.0), LINE)
    assert problem.evaluation.name == "shallow-line"
    assert problem.evaluation.passed_over == ()
    assert str(problem.evaluation) == "shallow-line: exact to rounding (one input, one hidden layer)"


def test_more_layers_say_why_the_first_does_not_apply() -> None:
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 2, 1)), gfc.targets.Constant(1.0), LINE)
    assert problem.evaluation.name == "along-lines"
    assert problem.evaluation.exact
    assert problem.evaluation.passed_over == (
        ("shallow-line", "the network has 2 hidden layers, it is for one"),
    )


def test_a_box_is_preintegrated_where_nothing_is_exact() -> None:
    network = gfc.ReLUNetwork((3, 2, 2, 1))
    problem = gfc.Problem(network, gfc.targets.Constant(1.0), CUBE)
    assert problem.evaluation.name == "preintegration"
    assert not problem.evaluation.exact
    assert problem.quadrature == gfc.Quadrature()
    asked = gfc.Problem(network, gfc.targets.Constant(1.0), CUBE, gfc.Quadrature(nodes=16))
    assert asked.evaluation.reason == "a quadrature rule is asked for"
    assert "16 nodes" in asked.evaluation.accuracy


def test_points_are_summed() -> None:
    measure = gfc.measures.Points([[0.0, 1.0], [2.0, 3.0]])
    problem = gfc.Problem(gfc.ReLUNetwork((2, 3, 1)), gfc.targets.Constant(1.0), measure)
    assert problem.evaluation.name == "points"
    assert problem.quadrature is None
    assert problem.rule is None


def test_a_measure_that_no_evaluator_is_for_is_refused_at_once() -> None:
    class Strange(gfc.measures.Uniform):
        """Uniform, but no measure that anything integrates under."""

    strange = Strange()
    found = order.choose(gfc.ProblemParts(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Constant(), strange))
    assert found[1].name == "shallow-line"  # it is a LineMeasure

    from dataclasses import dataclass
    from typing import ClassVar

    @dataclass(frozen=True)
    class Nowhere(gfc.Measure):
        """Somewhere else."""

        name: ClassVar[str] = "nowhere"
        dimension = 1
        box = np.array([[0.0, 1.0]])

        def transport(self, uniforms: np.ndarray) -> np.ndarray:
            return uniforms

    with pytest.raises(gfc.InputError, match="no evaluator is for the measure 'nowhere'"):
        gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Constant(), Nowhere())


# ---------------------------------------------------------------------------------------------------
# The evaluator of a plugin
# ---------------------------------------------------------------------------------------------------


@pytest.fixture
def segment(monkeypatch: pytest.MonkeyPatch) -> type[gfc.Measure]:
    """Load the example of a plugin with its own exact measure, into a registry of its own."""
    loaded = plugins.Registry()
    for plugin in (p for p in plugins.registry().plugins if not p.error):
        loaded.adopt(plugin, {kind: _of(plugin, kind) for kind in KINDS})
    monkeypatch.setattr(plugins, "_registry", loaded)
    monkeypatch.setattr(plugin_files, "_files", {})
    plugin_files.load_file(ROOT / "studies" / "own_measure.py")
    return plugins.registry().get("measures", "segment")


def _of(plugin: plugins.Plugin, kind: Kind) -> list[type[object]]:
    found = plugins.registry()
    return [c for c in found.all(kind) if found.origin(kind, c.name) == plugin]


def test_an_exact_measure_of_a_plugin(segment: type[gfc.Measure]) -> None:
    network, target = gfc.ReLUNetwork((3, 5, 2)), gfc.targets.Teacher((3, 4, 2), seed=1)
    measure = segment([0.0, -1.0, 0.5], [1.0, 1.0, 0.0])
    problem = gfc.Problem(network, target, measure)
    assert problem.evaluation.name == "segment"
    assert problem.evaluation.exact
    theta = gfc.initializations.Normal(scale=0.7).draw(network, np.random.default_rng(3))
    # On intervals so short that those with a kink make no difference.
    t = np.linspace(0.0, 1.0, 40_001)
    x = measure.transport(t[:, None])
    squares = ((network.realize(theta, x) - target.at(x)) ** 2).sum(axis=1)
    assert problem.risk(theta) == pytest.approx(simpson(squares, x=t), rel=1e-7)
    rng = np.random.default_rng(4)
    direction = rng.normal(size=theta.size)
    slope = (problem.risk(theta + 1e-6 * direction) - problem.risk(theta - 1e-6 * direction)) / 2e-6
    assert problem.gradient(theta) @ direction == pytest.approx(slope, rel=1e-7)
    assert pickle.loads(pickle.dumps(network)) == network


def test_a_plugin_that_does_not_apply_is_quoted(segment: type[gfc.Measure]) -> None:
    with pytest.raises(gfc.InputError, match=r"segment: the network has 2 hidden layers.*discretize\(n"):
        gfc.Problem(gfc.ReLUNetwork((2, 2, 2, 1)), gfc.targets.Constant(), segment((0.0, 0.0), (1.0, 2.0)))


def test_a_study_with_the_measure_of_a_plugin(segment: type[gfc.Measure], tmp_path: Path) -> None:
    study = gfc.Study(
        name="segment",
        targets={"constant": gfc.targets.Constant(1.0)},
        integrators={"gd": gfc.integrator("gd", step_size=0.05), "gf": gfc.integrator("standard-gf")},
        network=gfc.ReLUNetwork((2, 3, 1)),
        measure=segment((0.0, 0.0), (1.0, 2.0)),
        times=gfc.Times(spacing="log", start=0.1, end=10.0, count=3),
        seeds=2,
    )
    tree = study.run(tmp_path / "result", jobs=1)
    risk = tree["constant"]["risk"]
    assert float(risk.isel(time=-1).max()) < float(risk.isel(time=0).max())
    assert gfc.validate(tree) == []


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("name = 'x'", "no class attribute 'measures'"),
        ("name = 'x'\n    measures = (int,)", "no class attribute 'measures'"),
        ("name = 'x'\n    measures = (gfc.measures.Box,)", "does not define applies, cost, data"),
        ("measures = (gfc.measures.Box,)", "no class attribute 'name'"),
    ],
)
def test_a_broken_evaluator_is_refused(body: str, cause: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs.py"
    file.write_text(
        f"import gfcompare as gfc\nclass Theirs(gfc.Evaluator):\n    '''Theirs.'''\n    {body}\n"
        "@gfc.hookimpl\ndef gfcompare_evaluators(): return [Theirs]\n"
    )
    with pytest.raises(gfc.InputError, match=cause):
        plugin_files.load_file(file)


def test_evaluators_of_the_line_are_for_line_measures() -> None:
    assert [e.name for e in order.EXACT if LineMeasure in e.measures] == ["shallow-line", "along-lines"]
    assert issubclass(order.EXACT[0], Evaluator)
