"""Figures of paths, flow lines, spectra and snapshots: the numbers behind them, and what is drawn."""

import math
import re
import shutil

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure as MatplotlibFigure
from oracles import parameters
from PIL import Image
from sklearn.decomposition import PCA
from support import ROOT, examples, in_process

import gfcompare as gfc
from gfcompare import figures
from gfcompare.components.errors import InputError
from gfcompare.figures import flow_lines, line_labels, one_trajectory, portraits, theme
from gfcompare.figures.phase_portrait import most_moving, parameter_names, typeset_name
from gfcompare.figures.phase_portrait import portrait as phase_portrait
from gfcompare.figures.principal_paths import portrait as principal_paths
from gfcompare.figures.spectrum import along_trajectory, eigenvalues
from gfcompare.hooks import registry
from gfcompare.integrators.status import Status
from gfcompare.results.rebuild import problem_of, problems_of

RNG = np.random.default_rng(3)
CLOUD = RNG.standard_normal((25, 2))


def study(name, targets, measure, network, *, names=("standard-gf", "normalized-gf", "gd"), end=20.0, **more):
    return gfc.Study(
        name,
        targets=targets,
        measure=measure,
        network=gfc.ReLUNetwork(network),
        integrators={n: gfc.integrator(n) for n in names},
        times=gfc.Times(spacing="log", start=0.1, end=end, count=9),
        seeds=3,
        **more,
    )


LINE = study("line", {"sine": gfc.targets.Sine()}, gfc.measures.Uniform(), (1, 3, 1))
NEURON = study(
    "neuron", {"kink": gfc.targets.AbsoluteValue(0.4)}, gfc.measures.Uniform(-0.5, 1.0), (1, 1, 1), seed=4
)
DEEP = study("deep", {"sine": gfc.targets.Sine()}, gfc.measures.Uniform(), (1, 3, 2, 1), names=("gd",))
PLANE = study(
    "plane",
    {"ridge": gfc.targets.Ridge(gfc.targets.AbsoluteValue(0.1), [0.6, 0.8])},
    gfc.measures.Box(-1.0, 1.0, 2),
    (2, 3, 1),
    names=("gd",),
    quadrature=gfc.Quadrature(nodes=16),
)
POINTS = study(
    "points",
    {"wave": gfc.targets.Function(lambda x: np.sin(3 * x[:, 0]), dimension=2)},
    gfc.measures.Points(CLOUD, test_data=CLOUD[:5] + 0.1, test_observed=np.zeros(5)),
    (2, 3, 1),
    names=("gd",),
)
STUDIES = {s.name: s for s in (LINE, NEURON, DEEP, PLANE, POINTS)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of all studies."""
    folder = tmp_path_factory.mktemp("paths")
    return {name: one.run(folder / name, jobs=1) for name, one in STUDIES.items()}


def only(tree):
    (node,) = tree.children.values()
    return node.to_dataset()


def theta_of(group, method, seed, index):
    return parameters(group.sel(integrator=method, seed=seed).isel(time=index))


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


# Problems made again from results


@pytest.mark.parametrize("name", STUDIES)
def test_a_rebuilt_problem_is_the_one_that_was_studied(results, name):
    (spec,) = STUDIES[name].problems
    (problem,) = problems_of(results[name]).values()
    theta = np.random.default_rng(0).standard_normal((5, spec.network.parameter_count))
    assert np.allclose(problem.risk(theta), spec.problem.risk(theta), rtol=1e-13)
    assert np.allclose(problem.gradient(theta), spec.problem.gradient(theta), rtol=1e-12, atol=1e-14)


def test_a_python_function_cannot_be_rebuilt(tmp_path):
    target = gfc.targets.Function(np.sin)
    one = study("function", {"wave": target}, gfc.measures.Uniform(), (1, 2, 1), names=("gd",))
    tree = one.run(tmp_path, jobs=1)
    with pytest.raises(
        InputError, match=r"problem 'wave' cannot be rebuilt from the result: .*Python function"
    ):
        problem_of(only(tree))
    for draw in (figures.phase_portrait, figures.principal_paths, figures.spectrum):
        with pytest.raises(figures.NothingToDraw, match="they are Python functions"):
            draw(tree)
    assert figures.snapshots(tree).axes  # needs no more than what is stored


def test_a_problem_that_gives_another_risk_is_refused(results):
    group = only(results["line"]).copy()
    group.attrs["target"] = group.attrs["target"].replace('"amplitude": 1.0', '"amplitude": 2.0')
    assert group.attrs["target"] != only(results["line"]).attrs["target"]
    with pytest.raises(InputError, match="the risk of the first network is"):
        problem_of(group)


# Planes in the parameter space


@pytest.mark.parametrize("widths", [(1, 3, 1), (2, 3, 2), (1, 3, 2, 1)])
def test_parameter_names_follow_theta(widths):
    network = gfc.ReLUNetwork(widths)
    names = parameter_names(network)
    layers = network.layers(np.arange(network.parameter_count, dtype=float))
    assert len(set(names)) == network.parameter_count
    first, last = layers[0], layers[-1]
    if widths == (1, 3, 1):
        assert names[int(first.weight[2, 0])] == "w3"
        assert names[int(first.bias[1])] == "b2"
        assert names[int(last.weight[0, 2])] == "v3"
        assert names[int(last.bias[0])] == "c"
    elif network.depth == 2:
        assert names[int(first.weight[2, 1])] == "w3,2"
        assert names[int(last.weight[1, 2])] == "v2,3"
        assert names[int(last.bias[1])] == "c2"
    else:
        assert names[int(layers[1].weight[1, 2])] == "W2_2,3"
        assert names[int(layers[1].bias[1])] == "b2_2"


def test_names_are_typeset():
    assert [typeset_name(n) for n in ("c", "w12", "v1,3", "W2_3,1", "b2_3")] == [
        "$c$",
        "$w_{12}$",
        "$v_{1,3}$",
        "$W^{2}_{3,1}$",
        "$b^{2}_{3}$",
    ]


def test_phase_portrait_shows_two_parameters_and_the_risk_beside_one_state(results):
    group = only(results["line"]).sel(integrator=["standard-gf", "gd"])
    found = phase_portrait(group, 1, ("v2", "b3"), "start")
    assert np.array_equal(found.paths["gd"][:, 0], group["weight_2"].sel(integrator="gd", seed=1)[:, 0, 1])
    assert np.array_equal(found.paths["gd"][:, 1], group["bias_1"].sel(integrator="gd", seed=1)[:, 2])
    theta = theta_of(group, "standard-gf", 1, 0)
    theta[7], theta[5] = found.x[10], found.y[30]  # w1 w2 w3 b1 b2 b3 v1 v2 v3 c
    assert found.risk[30, 10] == pytest.approx(float(LINE.problems[0].problem.risk(theta)), rel=1e-13)
    assert found.labels == ("$v_{2}$", "$b_{3}$")
    assert found.held == "the start of standard-gf"
    for path in found.paths.values():
        assert found.x[0] < path[:, 0].min() <= path[:, 0].max() < found.x[-1]
        assert found.y[0] < path[:, 1].min() <= path[:, 1].max() < found.y[-1]


def test_by_default_the_parameters_that_move_most(results):
    group = only(results["line"]).sel(integrator=["gd"])
    rows = np.array([theta_of(group, "gd", 0, k) for k in range(group.sizes["time"])])
    expected = np.sort(np.argsort(np.ptp(rows, axis=0))[-2:])
    assert most_moving(portraits.states(group, 0)) == tuple(expected)


def test_wrong_parameters_are_refused(results):
    with pytest.raises(InputError, match=r"unknown parameter 'w0'.*Allowed: b1, b2, b3, c, v1"):
        figures.phase_portrait(results["line"], parameters=("w0", "v1"))
    with pytest.raises(InputError, match=r"parameters must name two of them, got \['w1'\]"):
        figures.phase_portrait(results["line"], parameters=("w1",))
    with pytest.raises(InputError, match=r"unknown value 'ending'|unknown through 'ending'"):
        figures.phase_portrait(results["line"], through="ending")


def test_principal_paths_are_those_of_scikit_learn(results):
    group = only(results["line"]).sel(integrator=["standard-gf", "gd"])
    found = principal_paths(group, 2)
    rows = {m: portraits.states(group, 2)[m] for m in ("standard-gf", "gd")}
    pca = PCA(2).fit(np.concatenate(list(rows.values())))
    shares = [float(re.search(r"([\d.]+) %", text)[1]) for text in found.labels]
    assert np.allclose(shares, 100 * pca.explained_variance_ratio_, atol=0.05)
    for method, theta in rows.items():
        assert np.allclose(np.abs(found.paths[method]), np.abs(pca.transform(theta)), atol=1e-10)
    signs = np.sign(pca.transform(rows["gd"])[0] / found.paths["gd"][0])
    theta = pca.inverse_transform([signs * [found.x[7], found.y[40]]])
    expected = LINE.problems[0].problem.risk(theta)[0]
    assert found.risk[40, 7] == pytest.approx(float(expected), rel=1e-9)


def test_trajectories_that_ended_early_do_not_stretch_the_plane(results):
    group = only(results["line"]).copy(deep=True)
    group["status"].loc[{"integrator": "gd"}] = Status.DIVERGED.value
    group["weight_2"].loc[{"integrator": "gd"}] *= 1e6
    tree = xr.DataTree.from_dict({"sine": group})
    portrait = phase_portrait(group.sel(integrator=["standard-gf", "gd"]), 0, ("v1", "v2"))
    assert np.ptp(portrait.x) < 1e3
    assert portrait.ended == {"standard-gf": "", "gd": "diverged"}
    figure = figures.phase_portrait(tree)
    assert "a trajectory ended early" in legend_texts(figure)
    assert "x" in [line.get_marker() for ax in figure.axes for line in ax.lines]


def test_methods_on_the_manifold_have_a_plane_of_their_own(results):
    figure = figures.principal_paths(results["line"])
    assert [ax.get_title().split(", ")[0] for ax in figure.axes] == ["sine", "sine"]
    assert figure.axes[1].get_title().endswith("(on M)")
    alone = figures.principal_paths(results["line"], methods=["normalized-gf"])
    assert len(alone.axes) == 1
    assert "on M" not in alone.axes[0].get_title()


@given(st.floats(1e-12, 1e6), st.floats(1.0001, 1e14))
def test_contours_are_few_and_cover_the_risk(low, ratio):
    heights = portraits.levels(low, low * ratio)
    assert heights[0] < low
    assert heights[-1] > low * ratio
    assert (np.diff(heights) > 0).all()
    assert 2 <= len(heights) <= 17


# Spectrum


def second_differences(problem, theta, step=1e-4):
    """The Hessian of the risk by differences of the risk itself."""
    count = len(theta)
    steps = step * np.eye(count)
    matrix = np.empty((count, count))
    for i in range(count):
        for j in range(count):
            a, b = steps[i], steps[j]
            around = problem.risk(np.stack([theta + a + b, theta + a - b, theta - a + b, theta - a - b]))
            matrix[i, j] = (around[0] - around[1] - around[2] + around[3]) / (4 * step**2)
    return matrix


@pytest.mark.parametrize("name", ["line", "deep", "points"])
def test_eigenvalues_are_those_of_second_differences(results, name):
    group = only(results[name])
    problem = STUDIES[name].problems[0].problem
    theta = theta_of(group, "gd", 0, 5)
    found = eigenvalues(problem, theta)
    step = 1e-4 if problem.smooth else 1e-6  # so small that no point changes sides
    expected = np.linalg.eigvalsh(second_differences(problem, theta, step))
    if len(found) < len(expected):  # of an odd number the middle one is missing
        expected = np.delete(expected, len(expected) // 2)
    tolerance = 1e-4 if problem.smooth else 1e-3
    assert np.allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_spectrum_has_a_row_for_each_saved_time(results):
    group = only(results["line"])
    found = along_trajectory(group, "normalized-gf", 1)
    times = group["flow_time"].sel(integrator="normalized-gf", seed=1).values
    assert np.array_equal(found.times, times[times > 0])
    assert found.values.shape == (9, 10)
    assert found.whole
    state = theta_of(group, "normalized-gf", 1, 4)
    hessian = LINE.problems[0].problem.hessian(state)
    assert np.allclose(found.values[3], np.linalg.eigvalsh(hessian), atol=1e-12)


def test_spectrum_marks_negative_eigenvalues_and_the_bound_of_stability(results):
    figure = figures.spectrum(results["line"], methods=["gd"])
    assert legend_texts(figure) == ["eigenvalue", "negative"]  # 2 / 0.01 is far away
    assert figure.axes[0].get_yscale() == "symlog"
    large = results["line"]["sine"].to_dataset().copy(deep=True)
    options = large["options"].values.copy()
    options[2] = options[2].replace('"step_size": 0.01', '"step_size": 0.5')
    assert options[2] != large["options"].values[2]
    large["options"] = ("integrator", options)
    figure = figures.spectrum(xr.DataTree.from_dict({"sine": large}), methods=["gd"])
    assert "2 / step size" in legend_texts(figure)
    assert [line.get_ydata()[0] for line in figure.axes[0].lines] == [4.0]


# Cylinder


def interval(lower, upper):
    return xr.Dataset(attrs={"lower": lower, "upper": upper})


@examples(50)
@given(st.floats(-3, 3), st.floats(0.01, 4), st.floats(0, 1 - 1e-9))  # nearer to 1, it rounds to a whole turn
def test_zones_say_where_the_neuron_is_on(lower, length, share):
    upper = lower + length
    found = flow_lines.zones(interval(lower, upper))
    angle = found.start + 2 * math.pi * share
    if np.abs(found.edges - angle).min() < 1e-9:
        return
    z = math.cos(angle) * np.array([lower, upper]) + math.sin(angle)
    (name,) = [text for (low, high), text in found.texts if low <= angle < high]
    expected = {
        (False, False): "off",
        (False, True): "on right",
        (True, True): "on",
        (True, False): "on left",
    }
    assert name == expected[z[0] > 0, z[1] > 0]


def test_flow_lines_are_the_same_functions(results):
    group = only(results["neuron"])
    x = np.linspace(-0.5, 1.0, 13)
    for method in ("standard-gf", "normalized-gf"):
        found = flow_lines.flow_lines(group, method)
        assert found.on_manifold == (method == "normalized-gf")
        for seed in range(3):
            for index in (0, 4, 9):
                angle, v = found.angle[seed, index], found.v[seed, index]
                hidden = np.maximum(np.cos(angle) * x + np.sin(angle), 0.0)
                state = group.sel(integrator=method, seed=seed).isel(time=index)
                outer = float(state["bias_2"][0])
                expected = one_trajectory.realized(group, method, seed, index, x[:, None])[:, 0]
                assert np.allclose(v * hidden + outer, expected, atol=1e-12)
        assert np.abs(np.diff(found.angle, axis=1)).max() < math.pi


def test_crossings_are_where_the_breakpoint_enters_or_leaves(results):
    group = only(results["neuron"]).sel(integrator=["normalized-gf"]).isel(time=slice(3)).copy(deep=True)
    # Angles of (w, b): the breakpoint -tan(angle) is at 0.9, 1.1 and 1.3, so it leaves [-0.5, 1] once.
    position = np.array([0.9, 1.1, 1.3])
    group["weight_1"][:] = (1 / np.hypot(1, position))[:, None, None]
    group["bias_1"][:] = (-position / np.hypot(1, position))[:, None]
    group["weight_2"][:] = np.array([2.0, 4.0, 4.0])[:, None, None]
    found = flow_lines.flow_lines(group, "normalized-gf")
    assert found.crossings.shape == (3, 2)  # one for each seed
    assert np.allclose(-np.tan(found.crossings[:, 0]), 1.0)
    assert ((found.crossings[:, 1] > 2) & (found.crossings[:, 1] < 4)).all()
    group["weight_2"][:] = 2.0
    group["weight_1"][:], group["bias_1"][:] = 0.6, 0.8
    assert flow_lines.flow_lines(group, "normalized-gf").crossings.shape == (0, 2)


@pytest.mark.thorough
def test_cylinder_has_a_panel_for_each_method_and_marks_early_ends(results):
    tree = results["neuron"]
    figure = figures.cylinder(tree)
    assert [ax.get_title() for ax in figure.axes] == [
        "standard-gf (mapped to M)",
        "normalized-gf (on M)",
        "gd (mapped to M)",
    ]
    assert "ended early" not in legend_texts(figure)
    group = only(tree).copy(deep=True)
    group["status"].loc[{"integrator": "gd", "seed": 1}] = Status.DIVERGED.value
    changed = xr.DataTree.from_dict({"kink": group})
    assert "ended early" in legend_texts(figures.cylinder(changed))
    solid = figures.cylinder(tree, projection="cylinder", methods=["gd"])
    assert [ax.name for ax in solid.axes] == ["3d"]


def test_cylinder_applies_to_one_neuron_only(results):
    with pytest.raises(figures.NothingToDraw, match="no problem has networks with widths 1-1-1"):
        figures.cylinder(results["line"])


# Snapshots and animation


@pytest.mark.thorough
def test_snapshots_draw_the_networks_at_log_spaced_times(results):
    group = only(results["line"])
    figure = figures.snapshots(results["line"], seed=1)
    times = group["time"].values[one_trajectory.chosen_times(group, count=6)]
    axes = np.array(figure.axes).reshape(3, len(times))
    assert "(sine, seed 1)" in figure.get_supxlabel()
    index = list(group["time"].values).index(times[3])
    line = axes[2, 3].lines[-1]
    assert np.allclose(line.get_ydata(), one_trajectory.fitted(group, "gd", 1, index)[:, 0])
    expected = [
        b.position for b in gfc.ReLUNetwork((1, 3, 1)).breakpoints(theta_of(group, "gd", 1, index), 0.0, 1.0)
    ]
    rug = [segment[0, 0] for c in axes[2, 3].collections for segment in c.get_segments()]
    assert np.allclose(sorted(rug), sorted(expected))
    assert axes[0, 0].texts[0].get_text().startswith("risk ")


def test_snapshots_of_a_chosen_problem(results):
    tree = xr.DataTree.from_dict({"a": only(results["line"]), "b": only(results["deep"])})
    assert "(b, seed" in figures.snapshots(tree, problem="b").get_supxlabel()
    with pytest.raises(InputError, match="unknown problem 'd'"):
        figures.snapshots(tree, problem="d")


@pytest.mark.thorough
def test_animation_is_written_only_if_asked_for(results, tmp_path):
    tree = results["line"]
    said = []
    options = {"methods": ["gd"]}
    paths = figures.save_all(tree, tmp_path, names=["fit_animation"], options=options, log=said.append)
    forms = {path.suffix for path in paths}
    assert forms == ({".gif", ".mp4"} if shutil.which("ffmpeg") else {".gif"})
    if ".mp4" not in forms:
        assert "fit_animation.mp4: skipped: the program ffmpeg is not there" in said
    with Image.open(tmp_path / "fit_animation.gif") as moving:
        assert moving.n_frames == only(tree).sizes["time"]
        assert moving.size[0] == round(3.4 * figures.Animation.dpi)
    assert (tmp_path / "fit_animation.gif").stat().st_size < 300_000
    cls = registry.registry().get("figures", "fit_animation")
    assert not cls.by_default


def test_the_last_picture_of_an_animation_is_the_end(results):
    cls = registry.registry().get("figures", "fit_animation")
    figure = cls(methods=["gd"], seed=2).draw(results["line"])
    values = one_trajectory.fitted(only(results["line"]), "gd", 2, 9)[:, 0]
    assert np.allclose(figure.axes[0].lines[-1].get_ydata(), values)
    assert figure.texts[-1].get_text() == "$t$ = 20"


# Sizes, axes, bands, small multiples, direct labels


@pytest.mark.thorough
def test_size_is_the_width_of_a_column_or_a_page(results):
    for size, width in (("column", 3.4), ("text", 6.8)):
        for draw in (figures.risk, figures.spectrum, figures.fit, figures.final_risk, figures.snapshots):
            assert draw(results["line"], size=size).get_size_inches()[0] == width
    with pytest.raises(InputError, match="unknown size 'page'"):
        figures.risk(results["line"], size="page")


def test_a_single_panel_is_drawn_into_an_axis(results):
    own = MatplotlibFigure(figsize=(5, 3))
    left, right = own.subplots(1, 2)
    assert figures.risk(results["line"], ax=left) is own
    assert figures.phase_portrait(results["line"], methods=["gd"], ax=right) is own
    assert left.get_xlabel() == "flow time (parameter² / risk)"
    assert left.get_legend() is not None
    assert right.collections
    with pytest.raises(InputError, match="the figure has 3 panels, and one axis has room for one"):
        figures.spectrum(results["line"], ax=left)


def test_small_multiples_have_a_panel_for_each_method(results):
    figure = figures.risk(results["line"], split=True)
    assert [ax.get_title() for ax in figure.axes] == ["standard-gf", "normalized-gf", "gd"]
    assert "medians of the other methods" in legend_texts(figure)
    limits = {(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes}
    assert len(limits) == 1


def test_few_seeds_have_no_interval(results):
    figure = figures.risk(results["line"], band="median")
    assert "median over all seeds, too few for an interval" in legend_texts(figure)
    assert not figure.axes[0].collections


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.3))
def test_labels_are_moved_apart_and_no_further(positions, gap):
    moved = line_labels.spread(positions, gap)
    order = np.argsort(positions, kind="stable")
    assert (np.diff(moved[order]) >= gap - 1e-9).all()
    assert moved.mean() == pytest.approx(np.mean(positions), abs=1e-9)
    if (np.diff(np.sort(positions)) >= gap).all():
        assert np.allclose(moved, positions)


def test_lines_that_end_apart_are_named_beside_them():
    assert line_labels.places({"one": 0.2, "two": 0.8}, 1.3) == pytest.approx({"one": 0.2, "two": 0.8})
    assert line_labels.places({"one": 0.5, "two": 0.5, "three": 0.5, "four": 0.5}, 1.3) == {}
    assert line_labels.places({"one": 0.5}, 1.3) == {}
    assert line_labels.places({"a name that is far too long to stand there": 0.1, "two": 0.9}, 1.3) == {}


def test_digits_that_fonts_lack_are_mathematics():
    assert theme.typeset("population risk (output²)") == "population risk (output²)"
    assert theme.typeset("1.2 × 10⁻³ and 10²") == "1.2 × 10$^{-3}$ and 10$^{2}$"
    assert theme.typeset("x₁₂") == "x$_{12}$"


# Options and the command line


@pytest.mark.thorough
def test_figures_take_the_options_that_they_have(results, tmp_path):
    names = ["risk", "snapshots"]
    options = {"size": "column", "seed": 2}
    written = figures.save_all(results["line"], tmp_path, names=names, formats=["png"], options=options)
    assert len(written) == 2
    for path in written:
        with Image.open(path) as image:
            assert image.size[0] == round(3.4 * 300)
    with pytest.raises(InputError, match=r"unknown option of these figures: 'sede'\. Did you mean 'seed'"):
        figures.save_all(results["line"], tmp_path, names=names, options={"sede": 2})
    with pytest.raises(InputError, match="no seed 99"):
        figures.save_all(results["line"], tmp_path, names=["snapshots"], options={"seed": 99})


@pytest.mark.thorough
def test_plot_takes_options_and_says_what_is_left_out(results, tmp_path):
    folder = tmp_path / "result"
    LINE.run(folder, jobs=1)
    common = ("plot", folder, "--format", "png", "--output", tmp_path / "out")
    chosen = (
        "--figure",
        "fit",
        "--figure",
        "cylinder",
        "--option",
        "methods=gd",
        "--option",
        "times=[0.1, 20]",
    )
    done = in_process(*common, *chosen)
    assert done.returncode == 0, done.stderr
    assert "left out cylinder (no problem has networks with widths 1-1-1 on an interval)" in done.stdout
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fit.png"]
    for option, message in (("seed=a", "--option.seed: must be"), ("colour=red", "unknown option of these")):
        refused = in_process(*common, "--figure", "fit", "--option", option)
        assert refused.returncode == 2
        assert message in " ".join(refused.stderr.split()), refused.stderr


def test_options_are_read_as_in_a_study_file():
    from gfcompare.cli.drawing import parsed

    given = ["size=column", "seed=3", "split=true", "times=[1, 10.5]", 'methods="gd"', "problems=a b"]
    assert parsed(given, None) == {
        "size": "column",
        "seed": 3,
        "split": True,
        "times": (1.0, 10.5),
        "methods": ("gd",),
        "problems": ("a b",),
    }
    for option, message in (
        ("size", "expected KEY=VALUE"),
        ("size=page", "Allowed: column, text"),
        ("times=late", "must be a list of numbers"),
    ):
        with pytest.raises(InputError, match=message):
            parsed([option], None)


# The gallery, whose scripts test_manual.py runs


GALLERY = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", GALLERY, re.S)


def test_gallery_has_every_figure_with_an_image_and_a_short_script():
    known = registry.registry()
    own = [cls.name for cls in known.all("figures") if known.origin("figures", cls.name).name == "figures"]
    assert {*re.findall(r"^\*\*(\w+)\.\*\*", GALLERY, re.M)} == {*own}
    assert {*re.findall(r"figures\.(\w+)\(", "".join(SCRIPTS))} == {*own}
    assert max(script.count("\n") for script in SCRIPTS) <= 20
    images = [ROOT / "docs" / name for name in re.findall(r"\((images/gallery/[^)]+)\)", GALLERY)]
    assert len(images) == len(SCRIPTS)
    assert {path.name for path in images} == {path.name for path in images[0].parent.iterdir()}
    assert max(path.stat().st_size for path in images) < 100_000
