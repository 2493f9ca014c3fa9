"""The benchmarks: peers compute what gfcompare computes, and whatever happens to them is shown."""

import importlib.util
import io
import pickle
import queue
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from support import PATIENCE

import gfcompare as gfc

pytest.importorskip("benchmarks", reason="the benchmarks are in the source tree, not in the package")

from rich.console import Console

from benchmarks import (
    cells,
    certificates,
    document,
    evaluation,
    full_disk,
    growth,
    growth_figure,
    plane_errors,
    roofline,
    several_inputs,
    store,
    tails,
    truth,
)
from benchmarks.__main__ import table
from benchmarks.aims import aims
from benchmarks.measure import Result
from benchmarks.peers import compare, launch, methods, worker
from benchmarks.peers.cases import Case, cases
from benchmarks.peers.launch import Method, Outcome, run
from benchmarks.peers.ours import ends, problem_of
from benchmarks.peers.task import Task, grid, joined, split, target

WIDTHS = [(1, 6, 1), (1, 4, 3, 1), (2, 6, 1)]
SHALLOW = WIDTHS[0]


def needs(method):
    """Skip where a package is missing."""
    for package in method.requires:
        pytest.importorskip(package)
    return method


def relative(found, exact):
    return np.linalg.norm(found - exact, axis=-1) / np.linalg.norm(exact, axis=-1)


def on_points(task):
    """The problem on the peer's points, by gfcompare."""
    network = gfc.ReLUNetwork(task.widths)
    return gfc.Problem(network, problem_of(task).target, gfc.measures.Points(task.x))


# Tasks


@pytest.mark.parametrize("widths", [*WIDTHS, (3, 4, 2)])
def test_parameters_are_laid_out_as_by_gfcompare(widths):
    network = gfc.ReLUNetwork(widths)
    theta = np.random.default_rng(0).normal(size=(5, network.parameter_count))
    for ours, (weight, bias) in zip(network.layers(theta), split(widths, theta), strict=True):
        assert np.array_equal(ours.weight, weight)
        assert np.array_equal(ours.bias, bias)
    assert np.array_equal(joined(split(widths, theta)), theta)


@pytest.mark.parametrize("widths", [(1, 2, 1), (1, 2, 3), (2, 2, 1), (4, 2, 2)])
def test_the_target_is_the_same_for_everybody(widths):
    task = Task("gd", widths, compare.initial("gd", widths, 1), points=64)
    assert np.allclose(problem_of(task).target.at(task.x), task.y, rtol=1e-14)
    assert len(target(task.x, widths[-1])) == widths[-1]


@pytest.mark.parametrize(("points", "dimension"), [(64, 1), (64, 2), (256, 3), (256, 8)])
def test_points_fill_the_cube_evenly(points, dimension):
    x = grid(points, dimension)
    assert x.shape == (points, dimension)
    assert x.min() > 0
    assert x.max() < 1
    assert np.allclose(x.mean(axis=0), 0.5, atol=0.02)
    assert np.allclose((x**2).mean(axis=0), 1 / 3, atol=0.02)


# What peers compute

_GRADIENTS = """
import importlib, pickle, sys
tasks, modules = pickle.load(sys.stdin.buffer)
found = {m: [importlib.import_module(f"benchmarks.peers.{m}").gradient(t) for t in tasks] for m in modules}
pickle.dump(found, sys.stdout.buffer)
"""
MODULES = {"scipy_peer": "scipy", "torch_peer": "torch", "jax_peer": "jax"}
COUNTS = (256, 4096)


@pytest.fixture(scope="module")
def gradients():
    """Gradients by every peer that is installed: of each widths on each number of points."""
    tasks = [Task("gd", w, compare.initial("gd", w, 3), n) for w in WIDTHS for n in COUNTS]
    there = [m for m, package in MODULES.items() if importlib.util.find_spec(package)]
    done = subprocess.run(
        [sys.executable, "-c", _GRADIENTS],
        input=pickle.dumps((tasks, there)),
        capture_output=True,
        check=True,
    )
    found = pickle.loads(done.stdout)
    return {m: dict(zip([(t.widths, t.points) for t in tasks], found[m], strict=True)) for m in there}


def test_gfcompare_is_measured_as_users_get_it():
    exact = {"shallow-line", "along-lines", "shallow-plane"}
    for widths in {case.widths for case in cases()}:
        task = Task("gd", widths, np.zeros((1, gfc.ReLUNetwork(widths).parameter_count)))
        assert problem_of(task).evaluation.name in exact
    assert problem_of(Task("gd", (2, 6, 1), np.zeros((1, 25)), nodes=64)).evaluation.name == "preintegration"


@pytest.mark.thorough
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("module", MODULES)
def test_gradient_of_a_peer_converges_to_the_exact_one(gradients, module, widths):
    pytest.importorskip(MODULES[module])
    theta = compare.initial("gd", widths, 3)
    exact = problem_of(Task("gd", widths, theta, nodes=1024)).gradient(theta)
    coarse, fine = (relative(gradients[module][widths, n], exact).max() for n in COUNTS)
    assert 1e-6 < fine < coarse / 3 < 3e-3


@pytest.mark.sampled("scipy_peer-widths1")
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("module", MODULES)
def test_gradient_of_a_peer_is_gfcompares_on_the_same_points(gradients, module, widths):
    pytest.importorskip(MODULES[module])
    task = Task("gd", widths, compare.initial("gd", widths, 3), 256)
    assert relative(gradients[module][widths, 256], on_points(task).gradient(task.theta)).max() < 1e-12


def _descends(method, kind, widths=SHALLOW):
    task = Task(kind, widths, compare.initial(kind, widths, 3), 1024, 50, seconds=0.0)
    outcome = run(needs(method), task, 60.0 * PATIENCE)
    assert outcome.status == "measured", outcome.note
    assert outcome.networks == 3
    gd = gfc.integrator("gd", step_size=task.step_size, normalize=task.normalized)
    for problem, tolerance in ((on_points(task), 1e-12), (problem_of(task), 1e-4)):
        own = ends(problem.network, gfc.integrate(problem, gd, task.theta, [50 * task.step_size]))
        assert relative(outcome.theta, own).max() < tolerance


@pytest.mark.thorough
def test_jax_descends_as_gfcompare_does():
    _descends(methods.JAX, "gd")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (methods.PYTORCH, "gd"),
        (methods.JAX_MAP, "gd"),
        (methods.JAX_MAP, "normalized-gd"),
        (methods.JAX, "normalized-gd"),
        (methods.GEOOPT, "normalized-gd"),
        (methods.PYMANOPT, "normalized-gd"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_peers_descend_as_gfcompare_does(method, kind):
    """With two hidden layers; that gradients are right with one, and with two inputs, is tested above."""
    _descends(method, kind, WIDTHS[1])


@pytest.mark.thorough
def test_compiled_pytorch_descends_as_gfcompare_does():
    """The same as PyTorch, thus for one shape: it compiles for seconds."""
    _descends(methods.COMPILED, "gd", WIDTHS[1])


@pytest.mark.sampled
@pytest.mark.parametrize(
    "method",
    [methods.PYTORCH, methods.JAX, pytest.param(methods.JAX_MAP, marks=pytest.mark.thorough)],
    ids=lambda method: method.name,
)
def test_stochastic_steps_are_unbiased(method):
    networks, size = 4000, 1e-3
    theta = np.repeat(compare.initial("sgd", SHALLOW, 1), networks, axis=0)
    task = Task("sgd", SHALLOW, theta, steps=1, step_size=size, seconds=0.0)
    outcome = run(needs(method), task, 60.0 * PATIENCE)
    assert outcome.status == "measured", outcome.note
    moves = (theta - outcome.theta) / size
    spread = moves.std(axis=0) / np.sqrt(networks)
    assert spread.max() > 0
    exact = problem_of(task).gradient(theta[0])
    assert (np.abs(moves.mean(axis=0) - exact) <= 5 * spread + 1e-9).all()


def _flows(method, kind, widths, tolerance):
    task = Task(kind, widths, compare.initial(kind, widths, 3), 1024, end=0.3, seconds=0.0)
    outcome = run(needs(method), task, 100.0 * PATIENCE)
    assert outcome.status == "measured", outcome.note
    assert outcome.theta.shape == task.theta.shape
    exact = gfc.integrate(problem_of(task), gfc.integrator(kind, rtol=1e-9), task.theta, [task.end])
    assert relative(outcome.theta, ends(gfc.ReLUNetwork(widths), exact)).max() < tolerance


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["standard-gf", "normalized-gf"])
@pytest.mark.parametrize("method", [*methods.ON_POINTS, *methods.EXACT], ids=lambda method: method.name)
def test_flows_of_peers_are_ours(method, kind):
    if methods.applies(method, SHALLOW, kind):
        _flows(method, kind, SHALLOW, 1e-5 if method in methods.EXACT else 1e-3)


# Whatever happens to a peer is shown


def shown(row):
    console = Console(width=250, file=io.StringIO())
    console.print(table([row]))
    return console.file.getvalue()


@pytest.fixture
def own():
    """Ours, in two accuracies."""
    return [
        compare.Measured(Outcome("measured", 1e-3, 64), 1e-6, "rtol 1e-6"),
        compare.Measured(Outcome("measured", 3e-3, 64), 1e-9, "rtol 1e-8"),
    ]


FLOW = Case("standard-gf", SHALLOW, methods.ON_POINTS, end=1e4)


@pytest.mark.thorough
def test_a_peer_that_takes_too_long_is_stopped_and_shown(own):
    task = Task("standard-gf", SHALLOW, compare.initial("standard-gf", SHALLOW, 2), end=1e9)
    outcome = run(methods.RK45, task, 0.5, counts=(1, 2))
    assert (outcome.status, outcome.note) == ("time limit", "> 0.5 s")
    row = compare.row(FLOW, own, methods.RK45, compare.Measured(outcome, None))
    assert row.ratio is None
    assert row.ratio_at_least == pytest.approx(500)
    text = shown(row)
    assert "> 0.5 s" in text
    assert "> 500" in text


def _messages(monkeypatch, seconds, limit):
    """Messages of a process about a method that takes so many seconds for any number of networks."""

    def method(task):
        return lambda: time.sleep(seconds) or task.theta

    monkeypatch.setitem(
        sys.modules, "fake_peer", types.SimpleNamespace(method=method, gradient=lambda task: 0)
    )
    task = Task("standard-gf", SHALLOW, compare.initial("standard-gf", SHALLOW, 64), seconds=0.0)
    out = io.BytesIO()
    worker._obey(worker.Order("fake_peer", "method", task, (1, 64), limit, with_gradient=True), out)
    out.seek(0)
    found = []
    while out.tell() < len(out.getvalue()):
        found.append(pickle.load(out))
    return found


def test_all_networks_are_tried_if_there_is_time(monkeypatch):
    both = ["gradient", "ready", "done", "ready", "done"]
    assert [message["stage"] for message in _messages(monkeypatch, 0.001, 1.0)] == both
    assert [message["stage"] for message in _messages(monkeypatch, 0.02, 0.1)] == both[:3]


def test_what_was_measured_before_the_time_ran_out_is_kept(monkeypatch):
    order = worker.Order("fake_peer", "method", None, (1, 64), 0.2, with_gradient=True)

    def followed(messages):
        found = queue.Queue()
        for message in messages:
            found.put(dict(message))
        return launch._followed(found, order, 0.2, io.BytesIO(b"first\nlast words\n"))

    messages = _messages(monkeypatch, 0.001, 1.0)
    whole = followed([*messages, {"stage": "ended"}])
    assert (whole.status, whole.networks, len(whole.theta)) == ("measured", 64, 64)
    half = followed(messages[:4])
    assert (half.status, half.networks, len(half.theta)) == ("measured", 1, 1)
    assert half.seconds > whole.seconds
    nothing = followed(messages[:2])
    assert (nothing.status, nothing.note, nothing.seconds) == ("time limit", "> 0.2 s", None)
    assert followed(messages[:1]).note == "> 0.2 s to load, compile and warm up"
    killed = followed([*messages[:2], {"stage": "ended"}])
    assert (killed.status, killed.note) == ("failed", "last words")


def test_a_missing_peer_is_shown_and_not_started(own):
    method = Method("Absent", "absent_peer", "flow", ("no_such_package_for_gfcompare",))
    outcome = run(method, Task("gd", SHALLOW, compare.initial("gd", SHALLOW, 1)), 1.0)
    assert outcome.status == "not installed"
    text = shown(compare.row(FLOW, own, method, compare.Measured(outcome, None)))
    assert "no_such_package_for_gfcompare not installed" in text


@pytest.mark.thorough
def test_a_peer_that_fails_says_why():
    method = Method("Wrong", "scipy_peer", "no_such_function")
    outcome = run(method, Task("gd", SHALLOW, compare.initial("gd", SHALLOW, 1)), 5.0)
    assert outcome.status == "failed"
    assert "no_such_function" in outcome.note


def test_a_peer_is_met_at_its_own_accuracy(own):
    def met(error):
        return compare.opponent(own, compare.Measured(Outcome("measured", 1.0, 1), error)).setting

    assert met(1e-3) == met(None) == "rtol 1e-6"
    assert met(1e-8) == "rtol 1e-8"
    assert met(1e-12) == "rtol 1e-8"  # the best there is


def test_who_ran_out_of_time_does_not_do_so_again():
    late = compare.OutOfTime()
    late.add(Case("standard-gf", (1, 64, 1), (), end=1e2), methods.LSODA)

    def skipped(kind, widths, end, method=methods.LSODA, points=1024):
        return late.smaller(Case(kind, widths, (), points, end), method) is not None

    assert skipped("standard-gf", (1, 64, 1), 1e4)
    assert skipped("standard-gf", (1, 256, 1), 1e2)
    assert not skipped("standard-gf", (1, 16, 1), 1e4)
    assert not skipped("standard-gf", (1, 64, 1), 1e1)
    assert not skipped("normalized-gf", (1, 64, 1), 1e4)
    assert not skipped("standard-gf", (2, 64, 1), 1e4)
    assert not skipped("standard-gf", (1, 64, 64, 1), 1e4)
    assert not skipped("standard-gf", (1, 64, 1), 1e4, methods.RK45)
    assert skipped("standard-gf", (1, 64, 1), 1e4, points=4096)
    assert not skipped("standard-gf", (1, 64, 1), 1e4, points=256)


# The file of results, the page and the figure


def peer_rows():
    """Made-up results of every case: peers take 2000 times as long, the last one does not finish."""
    for case in cases():
        ours = [compare.Measured(Outcome("measured", 1e-6, 64), 1e-9, "rtol 1e-6")]
        for number, method in enumerate(case.peers):
            last = number == len(case.peers) - 1
            outcome = Outcome("time limit", networks=1, limit=60.0, note="> 60 s")
            if not last:
                outcome = Outcome("measured", 2e-3, 64, 1.0, 60.0)
            yield compare.row(case, ours, method, compare.Measured(outcome, None if last else 1e-4))


def growth_rows():
    for panel, values in [*growth.SIZES.items(), ("t", growth.TIMES)]:
        for value in values:
            peer = Outcome("measured", 1e-5 * value**2, 64)
            method = methods.TSIT5 if panel == "t" else methods.JAX_MAP
            yield growth._row(panel, value, Outcome("measured", 1e-6 * value, 64), method, peer)


def spreads():
    """Trajectories that take one to ten medians, nearly."""
    values = np.concatenate([np.full(60, 1000.0), np.linspace(1000.0, 10000.0, 40)])
    for flow in tails.FLOWS:
        for end in tails.ENDS:
            yield tails.Spread("sine", flow, 16, end, "gradients", values)
            yield tails.Spread("kink", flow, 16, end, "gradients", np.full(100, 500.0))


def spread_rows():
    for spread in spreads():
        yield spread.result()
    details = {"hidden": 16, "seconds_of_all": [1e-3, 3e-3], "peer_seconds_of_all": [1e-2, 2e-2]}
    yield Result(
        "GF",
        2e-3,
        "trajectory",
        peer="LSODA",
        peer_seconds=1.5e-2,
        error=1e-7,
        peer_error=2e-7,
        note="gfcompare 1e-06; medians",
        details=details,
    )


def roofline_rows():
    for part in [*roofline.parts(2, 6), roofline.Part("step")]:
        for hidden in (16, 64):
            details = {"part": part.name, "hidden": hidden, "least": 1e-9}
            yield Result(part.name, 2e-9, "neuron", details=details)
    yield Result("core: cycle", 3e-10, "operation", details={"core": "cycle"})


@pytest.fixture
def parts(tmp_path):
    file = tmp_path / "results" / "benchmarks.json"
    rows_of = {
        "peers": peer_rows(),
        "growth": growth_rows(),
        "roofline": roofline_rows(),
        "spread": spread_rows(),
    }
    for name, rows in rows_of.items():
        store.save(name, list(rows), 1.0, file)
    return store.load(file)


def test_the_file_keeps_the_parts_that_were_not_measured_again(tmp_path):
    file = tmp_path / "benchmarks.json"
    assert store.load(file) == {}
    row = Result("a", 1e-6, "step", peer_seconds=2e-6, details={"kind": "gd"})
    store.save("descent", [row], 1.0, file)
    store.save("flows", [], 1.0, file)
    store.save("flows", [row], 2.0, file)
    parts = store.load(file)
    assert list(parts) == ["descent", "flows"]
    assert parts["flows"]["results"][0]["ratio"] == 2.0
    assert parts["flows"]["results"][0]["kind"] == "gd"
    assert parts["flows"]["machine"]["packages"]["gfcompare"]


def test_the_page_gets_every_block_from_the_file(parts):
    page = document.PAGE.read_text(encoding="utf-8")
    text = document.rewritten(page, parts)
    for name, (_, block) in document.BLOCKS.items():
        assert f"<!-- begin {name} -->\n{block(parts)}\n<!-- end {name} -->" in text
    assert "Not measured yet" not in text
    assert document.rewritten(text, parts) == text
    flows = document.flows(parts).splitlines()
    assert len({line.count("|") for line in flows}) == 1
    assert "> 60 s<br>> 60,000,000×" in document.flows(parts)
    assert "2 ms<br>2,000×, 1e-4" in document.descent(parts)


def test_the_page_without_results_stays_as_it_is():
    page = document.PAGE.read_text(encoding="utf-8")
    assert document.rewritten(page, {}) == page
    with pytest.raises(ValueError, match="machine"):
        document.rewritten("no blocks", {})


def test_aims_are_the_smallest_ratios(parts):
    found = {aim.what: aim for aim in aims(parts)}
    assert all(aim.met for aim in found.values())
    for row in parts["peers"]["results"]:
        if row["case"] == "GD step, 1-64-1" and row["peer"] == "PyTorch, 1024 points":
            row["ratio"] = 0.5
    found = {aim.what: aim for aim in aims(parts)}
    missed = {what for what, aim in found.items() if not aim.met}
    assert missed == {
        "GD, 1-H-1, fastest peer at 1024 points",
        "GD, 1-H-1, PyTorch at 1024 points",
        "every case, every peer at its own accuracy",
    }
    assert aims({}) == []


@pytest.mark.thorough
def test_how_flows_are_distributed_is_compared_with_bars_and_drawn(parts, tmp_path):
    sine, kink, *_ = spreads()
    assert sine.missed() == ["mean", "99 %"]
    assert kink.missed() == []
    late = tails.Spread("sine", "standard-gf", 4, 1e4, "gradients", np.array([1.0, 1.0, np.inf]))
    assert late.missed() == ["mean", "99 %", "largest"]  # one that does not get there
    rows = document.spread(parts).splitlines()
    assert len(rows) == 2 + 6
    assert "500 to 1,000" in rows[2]
    assert "| 10.00, sine | 10.00, sine |" in rows[2]  # a value that was found, and at least the quantile
    peers = document.spread_of_peers(parts)
    assert "1-16-1: LSODA | 2e-7 | 15 ms | 15 ms" in peers
    assert "| 7.5 |" in peers
    tails.draw(list(spreads()), tmp_path / "tails.png")
    assert (tmp_path / "tails.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("campaign", "arguments"),
    [
        (tails, ["--seeds", "0"]),
        (tails, ["--widths", "16", "-4"]),
        (tails, ["--ends", "nan"]),
        (cells, ["--seeds", "-3"]),
        (certificates, ["--seeds", "two"]),
        (full_disk, ["run", "--most", "0"]),
        (plane_errors, ["0"]),
        (truth, ["--seeds", "0"]),
        (truth, ["--spread", "--seconds", "-1"]),
    ],
)
def test_a_number_that_is_not_positive_is_one_message(campaign, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        campaign.main(arguments)
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "expected a positive " in last
    assert last.endswith(f"got {arguments[-1]!r}")


def test_counts_of_flows_are_those_of_single_ones():
    network = gfc.ReLUNetwork((1, 2, 1))
    problem = gfc.Problem(network, gfc.targets.Sine(), gfc.measures.Uniform())
    theta = tails.starts(network, 3)
    found = tails.counted(problem, "standard-gf", theta, [1.0, 100.0])
    data = gfc.integrate(problem, gfc.integrator("standard-gf"), theta[1], [1.0, 100.0])
    assert found["gradients"][1].tolist() == data["gradient_evaluations"].values[0].tolist()
    steps = data["steps"] + data["rejected_steps"]
    assert found["steps"][1].tolist() == steps.values[0].tolist()


def test_every_case_of_the_issue_is_measured():
    every = list(cases())
    for hidden in (16, 64, 256):
        mine = [case for case in every if case.widths == (1, hidden, 1)]
        assert {c.points for c in mine if c.kind == "gd"} == {256, 1024, 4096}
        assert {c.end for c in mine if c.kind == "standard-gf"} == {1e2, 1e4}
        assert {c.kind for c in mine} == {"gd", "sgd", "normalized-gd", "standard-gf", "normalized-gf"}
    assert any(len(case.widths) == 4 for case in every)
    assert any(case.widths[0] == 2 for case in every)
    assert {method for case in every for method in case.peers} == set(methods.ALL)


@pytest.mark.thorough
def test_growth_is_drawn_with_its_slopes(parts, tmp_path):
    rows = parts["growth"]["results"]
    for panel in growth_figure.PANELS:
        for name, (x, y) in growth_figure.curves(rows, panel).items():
            expected = 1.0 if name == growth_figure.OURS else 2.0
            assert growth_figure.slope(x, y) == pytest.approx(expected)
    file = growth_figure.draw(rows, tmp_path / "growth.png")
    assert file.stat().st_size > 20_000


@pytest.mark.thorough
def test_growth_is_measured():
    rows = list(growth.growth(20.0, {"d": (2,), "seeds": (2,)}, (0.1,)))
    assert [row.details["panel"] for row in rows] == ["d", "seeds", "t", "t"]
    assert all(row.seconds > 0 for row in rows)


# The roofline


@pytest.mark.thorough
def test_the_parts_make_up_the_gradient():
    """Up to rounding: neurons near an end are integrated from there, which is no part."""
    data, problem, theta = roofline._data(8)
    for row in theta:
        gradient = np.zeros_like(row)
        roofline._steps(1, data, row.copy(), np.zeros_like(row), gradient, 8, 6)
        assert gradient == pytest.approx(problem.gradient(row), rel=1e-10, abs=1e-14)


def test_the_least_time_is_that_of_the_busiest_unit():
    able = {
        "multiply-add": 1.0,
        "one at a time": 2.0,
        "division": 3.0,
        "load": 0.5,
        "load and store": 0.25,
        "load through the order": 4.0,
    }
    one = roofline.Part("a", vector=3, scalar=1, divisions=1, loads=3, stores=1)
    two = roofline.Part("b", divisions=2)
    assert one.units(able).tolist() == [5.0, 3.0, 1.25]
    assert one.least(able) == 5.0
    assert roofline.least_of_all((one, two), able) == 9.0


@pytest.mark.parametrize("inputs", [1, 2, pytest.param(3, marks=pytest.mark.thorough)])
def test_accuracy_is_measured_against_what_is_exact(inputs, monkeypatch):
    """Errors of rules fall with their size; what is exact is so by a way through the reflected problem."""
    monkeypatch.setattr(evaluation, "ROUNDS", 1)
    monkeypatch.setattr(evaluation, "POINTS", (64, 4096))
    monkeypatch.setattr(evaluation, "NODES", {2: (16, 256, 512), 3: (16, 256, 4096)})
    found = evaluation.on_a_box(inputs)
    errors = {}
    for one in found:
        assert 0.0 < one.seconds < 1.0
        errors.setdefault(one.kind, []).append(one.error)
    assert inputs == 3 or "exact" in errors
    assert max(errors.pop("exact", [0.0])) < 1e-13
    assert errors.keys() >= {"Sobol points", "Monte Carlo points"}
    for kind, (coarse, *_, fine) in errors.items():
        assert coarse > (1.5 if kind == "Monte Carlo points" else 5.0) * fine > 0.0


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("module", "build"), [("jax", several_inputs.by_jax), ("torch", several_inputs.by_torch)]
)
def test_peers_with_several_inputs_make_the_same_steps(module, build):
    """Each by its own loop: ten steps from one network end where gfcompare's on the same points do."""
    pytest.importorskip(module)
    for problem in (several_inputs.square.problem(4), several_inputs.gaussian.problem(3, 4, 2)[0]):
        at = several_inputs.points_of(problem, 100)
        assert at.measure.points.shape == (100, problem.network.inputs)
        theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(0))
        steps = build(at, theta)
        found = steps(10)
        expected, _ = at.descend(theta[None], np.full(10, several_inputs.STEP))
        if module == "jax":
            assert np.asarray(found) == pytest.approx(expected[0], rel=1e-12, abs=1e-13)
        else:
            parts = [p.detach().numpy().ravel() for p in found]
            assert np.concatenate(parts) == pytest.approx(expected[0], rel=1e-12, abs=1e-13)


def test_nothing_is_drawn_of_cells_that_nobody_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cells, "FILE", tmp_path / "cells.json")
    monkeypatch.setattr(cells, "FIGURE", tmp_path / "cells.png")
    with pytest.raises(SystemExit) as ended:
        cells.main(["--seeds", "--figure"])
    assert ended.value.code == 2
    assert "nothing is kept that could be drawn" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
