"""Figures: the tables behind them against plain numpy, and that every one draws what it should."""

import io
import subprocess
import sys
import warnings
from dataclasses import dataclass
from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.collections import PathCollection
from matplotlib.patches import Rectangle

import gfcompare as gfc
from gfcompare import figures
from gfcompare.components.errors import InputError
from gfcompare.figures import data, one_trajectory, shares
from gfcompare.hooks import registry as plugins
from gfcompare.integrators.status import Status

NAMES = [
    "risk",
    "risk_by_gradients",
    "risk_by_wall_time",
    "gradient_norm",
    "parameter_norm",
    "final_risk",
    "fit",
    "breakpoints",
    "distance_to_flow",
    "balancedness_drift",
    "distance_to_manifold",
    "snapshots",
    "phase_portrait",
    "principal_paths",
    "spectrum",
]

# These have tests of their own in test_statistics.py.
STATISTICS = ["time_to_target", "performance_profile", "paired_differences"]


def methods(*names, **others):
    return {name: gfc.integrator(name) for name in names} | others


def run(folder, *, targets=None, integrators=None, network=(1, 4, 1), seeds=6, end=40.0):
    study = gfc.Study(
        "figures",
        targets=targets or {"ramp": gfc.targets.Polynomial([0.5, 1.0]), "sine": gfc.targets.Sine()},
        integrators=integrators or methods("standard-gf", "normalized-gf", "gd", "sgd"),
        network=gfc.ReLUNetwork(network),
        times=gfc.Times(end=end, count=25),
        seeds=seeds,
    )
    return study.run(folder, jobs=1)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two problems, five methods; the step size of "too-large" is so large that most seeds diverge."""
    large = gfc.integrator("gd", step_size=2.5)
    chosen = methods("standard-gf", "normalized-gf", "gd", "sgd", **{"too-large": large})
    return run(tmp_path_factory.mktemp("figures"), integrators=chosen)


@pytest.fixture
def ended(tree):
    """The same result in which four of six seeds of gd end early, at times that are known."""
    groups = {"/": tree.to_dataset()}
    for name, node in tree.children.items():
        group = node.to_dataset().copy(deep=True)
        method = list(group["integrator"].values).index("gd")
        for seed, last, status in (
            (0, 0, "DIVERGED"),
            (1, 5, "DIVERGED"),
            (2, 9, "STEP_LIMIT"),
            (3, 9, "FAILED"),
        ):
            group["status"][method, seed] = Status[status].value
            for variable in ("risk", "gradient_norm", "flow_time", "wall_time", "weight_1", "bias_1"):
                group[variable][method, seed, last + 1 :] = np.nan
            for variable in ("gradient_evaluations", "sample_gradients"):
                group[variable][method, seed, last + 1 :] = -1
        groups[name] = group
    return xr.DataTree.from_dict(groups)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def is_empty(ax):
    """Return whether nothing but the frame is in a panel."""
    drawn = [*ax.lines, *ax.collections, *ax.patches, *ax.texts]
    return not drawn


def markers(figure, kind):
    return [line for ax in panels(figure) for line in ax.lines if line.get_marker() == kind]


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


# Tables


def test_curves_are_medians_and_quartiles_over_seeds(tree):
    group = tree["sine"].to_dataset()
    table = data.curves(group, "risk", "flow_time")
    part = table[table["method"] == "gd"]
    one = group.sel(integrator="gd")
    later = np.median(one["flow_time"], axis=0) > 0
    risk = one["risk"].values[:, later]
    assert np.allclose(part["median"], np.median(risk, axis=0), rtol=1e-14)
    assert np.allclose(part["lower"], np.quantile(risk, 0.25, axis=0), rtol=1e-13)
    assert np.allclose(part["upper"], np.quantile(risk, 0.75, axis=0), rtol=1e-13)
    assert np.allclose(part["x"], np.median(one["flow_time"].values[:, later], axis=0), rtol=1e-14)
    assert (part["x"] > 0).all()
    assert (part["running"] == 6).all()


def test_a_line_stops_where_the_median_is_infinite(ended):
    """Two of six have ended, then four: those that are left are not the seeds."""
    group = ended["sine"].to_dataset()
    table = data.curves(group, "risk", "flow_time")
    part = table[table["method"] == "gd"]
    assert set(part["running"]) == {6 - 1, 6 - 2}
    last = group.sel(integrator="gd").isel(time=9)
    for column, name in (("x", "flow_time"), ("median", "risk")):
        assert part[column].iloc[-1] == np.median(np.nan_to_num(last[name].values, nan=np.inf))
    assert np.isinf(part["upper"].iloc[-1])


def test_ends_are_the_last_saved_points(ended):
    group = ended["sine"].to_dataset()
    table = data.ends(group, "risk", "flow_time")
    part = table[table["method"] == "gd"].set_index("seed")
    assert list(part["status"]) == ["diverged", "diverged", "step limit", "failed"]
    for seed, last in ((0, 0), (1, 5), (2, 9), (3, 9)):
        state = group.sel(integrator="gd", seed=seed).isel(time=last)
        assert part.loc[seed, "x"] == state["flow_time"]
        assert part.loc[seed, "y"] == state["risk"]


def test_outcomes_count_over_problems(ended):
    texts = data.outcomes(data.view(ended))
    assert texts["gd"] == "4/12 diverged, 2/12 step limit, 2/12 failed"
    assert texts["standard-gf"] == ""
    assert data.outcomes(data.view(ended), {"ramp": 1, "sine": 5})["gd"] == "1/2 diverged"


def test_final_risk_says_what_is_final(ended):
    table = data.final_risk(ended["ramp"].to_dataset()).set_index(["method", "seed"])
    risk = ended["ramp"]["risk"]
    assert table.loc[("standard-gf", 3), "risk"] == risk.sel(integrator="standard-gf", seed=3)[-1]
    assert table.loc[("gd", 1), "risk"] == risk.sel(integrator="gd", seed=1)[5]
    assert not table.loc[("gd", 1), "complete"]
    assert table.loc[("gd", 4), "complete"]


def test_cost_is_counted_in_what_a_method_evaluates(tree):
    view = data.view(tree)
    assert data.methods_by_samples(view) == ("sgd",)
    group = view.groups["sine"]
    clock = data.clock_values(group, "gradients")
    index = list(group["integrator"].values).index("sgd")
    assert np.array_equal(clock[index], group["sample_gradients"].values[index])
    assert np.array_equal(clock[0], group["gradient_evaluations"].values[0])


def test_typical_seed_has_the_median_final_risk(ended):
    group = ended["sine"].to_dataset()
    final = group["risk"].sel(integrator="standard-gf").values[:, -1]
    assert one_trajectory.typical_seed(group) == np.argsort(final)[2]


def test_typical_seed_counts_early_ends_as_the_worst(ended):
    group = ended["sine"].to_dataset().sel(integrator=["gd"], seed=[2, 3, 4, 5])
    final = group["risk"].values[0, 2:, -1]
    assert one_trajectory.typical_seed(group) == 4 + np.argmax(final)


def test_chosen_times(tree):
    group = tree["sine"].to_dataset()
    times = group["time"].values
    assert one_trajectory.chosen_times(group)[0] == 0
    assert one_trajectory.chosen_times(group)[-1] == len(times) - 1
    assert len(one_trajectory.chosen_times(group)) == 4
    assert one_trajectory.chosen_times(group, [times[7] * 1.01]) == [7]


def test_fitted_is_the_network(tree):
    group = tree["sine"].to_dataset()
    values = one_trajectory.fitted(group, "sgd", 2, 11)
    state = group.sel(integrator="sgd", seed=2).isel(time=11)
    x = group["x"].values[:, None]
    hidden = np.maximum(x * state["weight_1"].values[:, 0] + state["bias_1"].values, 0)
    assert np.allclose(values, hidden @ state["weight_2"].values.T + state["bias_2"].values, rtol=1e-13)


def test_breakpoint_paths_break_where_a_weight_changes_its_sign(tree):
    group = tree["sine"].to_dataset().copy(deep=True)
    weight = group["weight_1"].sel(integrator="gd", seed=0)
    weight[:, 1, 0] = np.where(np.arange(len(weight)) < 10, 1.0, -1.0)
    table = one_trajectory.breakpoint_paths(group, "gd", 0)
    bias = group["bias_1"].sel(integrator="gd", seed=0).values
    flow_time = group["flow_time"].sel(integrator="gd", seed=0).values
    one = table[table["neuron"] == 1]
    later = flow_time > 0
    assert np.allclose(one["position"], (-bias[:, 1] / weight[:, 1, 0].values)[later])
    assert np.array_equal(one["x"], flow_time[later])
    assert (np.diff(one["piece"]) != 0).sum() == 1


def test_view_keeps_the_order_of_the_study(tree):
    view = data.view(tree, methods=["sgd", "standard-gf"], problems="sine")
    assert view.methods == ("standard-gf", "sgd")
    assert list(view.groups) == ["sine"]
    assert view.all_methods[-1] == "too-large"


def test_unknown_names_are_refused(tree):
    with pytest.raises(InputError, match=r"unknown method 'standardgf'\. Did you mean 'standard-gf'"):
        figures.risk(tree, methods=["standardgf"])
    with pytest.raises(InputError, match="unknown problem 'cosine'"):
        figures.risk(tree, problems=["cosine"])
    with pytest.raises(InputError, match="no seed 99; its seeds are 0 to 5"):
        figures.fit(tree, seed=99)


# Drawings


def test_every_registered_figure_is_a_function():
    known = plugins.registry()
    own = [cls for cls in known.all("figures") if known.origin("figures", cls.name).name == "figures"]
    elsewhere = [
        "test_risk",
        "quadrature_error",
        "cylinder",
        "distance_to_own_flow",
        "risk_by_option",
    ]  # they do not apply to these problems
    elsewhere += ["fit_animation", "limits", "landscape"]
    elsewhere += STATISTICS
    assert [cls.name for cls in own if cls.name not in elsewhere] == NAMES
    for name in [cls.name for cls in own]:
        assert name in figures.__all__
        assert callable(getattr(figures, name))


@pytest.fixture(scope="module")
def drawn(tree):
    """Every figure of the result."""
    return {name: getattr(figures, name)(tree) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_figure_has_labels_a_legend_and_no_empty_panel(drawn, name):
    figure = drawn[name]
    assert figure.get_size_inches()[0] in (3.4, 6.8)
    assert not [ax for ax in panels(figure) if is_empty(ax)]
    assert figure.get_supxlabel()
    assert figure.get_supylabel() or all(ax.get_ylabel() for ax in panels(figure)) or name == "final_risk"
    assert legend_texts(figure)
    titles = " ".join(text.get_text() for ax in panels(figure) for text in [ax.title, *ax.texts])
    if name == "snapshots":  # of one problem
        assert "(ramp, seed" in figure.get_supxlabel()
    else:
        assert "sine" in titles
        assert "ramp" in titles


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overlaps_the_legend(drawn, name):
    figure = drawn[name]
    renderer = figure.canvas.get_renderer()
    legend = figure.legends[0].get_window_extent(renderer)
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.x1
    for ax in panels(figure):
        assert not legend.overlaps(ax.get_window_extent(renderer))


@pytest.mark.parametrize("name", ["risk", "risk_by_gradients", "risk_by_wall_time"])
def test_early_ends_are_marked(ended, name):
    figure = getattr(figures, name)(ended, methods=["standard-gf", "gd"])
    marks = markers(figure, "x")
    assert [len(line.get_xdata()) for line in marks] == [4, 4]  # in both panels
    assert "gd (4/12 diverged, 2/12 step limit, 2/12 failed)" in legend_texts(figure)
    for ax, line in zip(panels(figure), marks, strict=True):
        assert ax.get_xlim()[0] <= min(line.get_xdata()) <= max(line.get_xdata()) <= ax.get_xlim()[1]


def test_diverged_seeds_are_counted_in_the_distribution(ended):
    figure = figures.final_risk(ended, methods=["standard-gf", "gd"], problems=["sine"])
    assert len(markers(figure, "x")) == 1
    assert len(markers(figure, "+")[0].get_xdata()) == 2
    assert "2/6" in [text.get_text() for ax in panels(figure) for text in ax.texts]


def test_divergence_does_not_squash_the_axis(tree):
    status = tree["sine"]["status"].sel(integrator="too-large").values
    assert (status == Status.DIVERGED).any()
    figure = figures.risk(tree)
    for ax, name in zip(panels(figure), tree.children, strict=True):
        start = float(tree[name]["risk"][:, :, 0].median())
        assert ax.get_ylim()[1] <= 1e4 * start


@pytest.mark.thorough
def test_a_median_beyond_the_axis_is_marked(tree):
    for node in tree.children.values():
        assert node["risk"].sel(integrator="gd").values.max() < 1e3
    changed = xr.DataTree.from_dict(
        {name: node.to_dataset().copy(deep=True) for name, node in tree.children.items()}
    )
    changed["sine"]["risk"].loc[{"integrator": "gd", "time": slice(1e-9, None)}] = 1e30
    figure = figures.risk(changed, methods=["standard-gf", "gd"])
    assert len(markers(figure, "2")[-1].get_xdata()) == 1
    assert "the median is above the axis" in legend_texts(figure)
    assert "4" in [line.get_marker() for line in panels(figures.final_risk(changed))[1].lines]


@pytest.mark.thorough
def test_a_method_looks_the_same_whatever_else_is_shown(tree):
    full = figures.risk(tree).legends[0].legend_handles
    part = figures.risk(tree, methods=["sgd"]).legends[0].legend_handles
    drift = figures.balancedness_drift(tree, methods=["sgd"]).legends[0].legend_handles
    for handle in (part[0], drift[0]):
        assert handle.get_color() == full[3].get_color()
        assert handle.get_marker() == full[3].get_marker()


def test_many_methods_all_look_different():
    from gfcompare.figures import theme

    looks = theme.line_styles([str(k) for k in range(60)])
    assert len({(look.colour, look.dashes, look.marker) for look in looks.values()}) == 60


def test_zeros_are_drawn_at_the_floor_and_said_so(tree):
    changed = xr.DataTree.from_dict({"sine": tree["sine"].to_dataset().copy(deep=True)})
    changed["sine"]["distance_to_manifold"][:] = 0.0
    figure = figures.distance_to_manifold(changed)
    assert "0 drawn at 10$^{-17}$" in figure.get_supylabel()


@pytest.mark.thorough
def test_axis_labels_have_units_and_say_what_is_counted(tree):
    assert figures.risk(tree).get_supylabel() == "population risk (output²)"
    assert figures.risk(tree).get_supxlabel() == "flow time (parameter² / risk)"
    assert "for sgd: at one sample point" in figures.risk_by_gradients(tree).get_supxlabel()
    without = figures.risk_by_gradients(tree, methods=["gd", "standard-gf"])
    assert without.get_supxlabel() == "gradient evaluations"


def test_nothing_to_draw(tree):
    with pytest.raises(figures.NothingToDraw, match="no method lives on the submanifold"):
        figures.distance_to_manifold(tree, methods=["gd"])
    with pytest.raises(figures.NothingToDraw, match="every method lives on the submanifold"):
        figures.balancedness_drift(tree, methods=["normalized-gf"])


def draw_all(tree):
    found = {}
    for cls in [c for c in plugins.registry().all("figures") if c.name not in STATISTICS and c.by_default]:
        try:
            found[cls.name] = cls().draw(tree)
        except figures.NothingToDraw:
            continue
    return found


@pytest.mark.thorough
def test_two_outputs(tmp_path):
    pair = gfc.targets.Stack([gfc.targets.Sine(), gfc.targets.AbsoluteValue(0.5)])
    found = draw_all(run(tmp_path, targets={"pair": pair}, network=(1, 4, 2), seeds=2, end=1.0))
    assert len(found) == len(NAMES)
    assert "output 2 of 2" in panels(found["fit"])[-1].texts[-1].get_text()


@pytest.mark.thorough
def test_one_neuron_one_seed(tmp_path):
    targets = {"affine $1$": gfc.targets.Polynomial([0.5, 1.0])}
    found = draw_all(run(tmp_path, targets=targets, network=(1, 1, 1), seeds=1, end=1.0))
    assert set(found) == {*NAMES, "cylinder"}
    assert "median and quartiles over all seeds" not in legend_texts(found["risk"])


@pytest.mark.thorough
def test_a_method_of_which_every_seed_ends_at_once(ended):
    group = ended["sine"].to_dataset()
    group["status"].loc[{"integrator": "gd"}] = Status.DIVERGED.value
    for variable in ("risk", "gradient_norm", "flow_time", "wall_time", "weight_1", "bias_1"):
        group[variable].loc[{"integrator": "gd"}] = (
            group[variable].loc[{"integrator": "gd"}].where(group["time"] == 0)
        )
    found = draw_all(xr.DataTree.from_dict({"sine": group}))
    assert len(found) == len(NAMES)
    assert len(markers(found["risk"], "x")[0].get_xdata()) == 6
    alone = draw_all(xr.DataTree.from_dict({"sine": group.sel(integrator=["gd"])}))
    assert not [name for name, figure in alone.items() for ax in panels(figure) if is_empty(ax)]


def test_users_settings_are_left_alone(tree):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figures.risk(tree)
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30.0}):
        figure = figures.risk(tree)
        assert panels(figure)[0].title.get_fontsize() == 9
        assert mpl.rcParams["font.size"] == 30.0


# Files


@pytest.mark.thorough
def test_save_all_writes_every_format(tree, tmp_path):
    said = []
    paths = figures.save_all(tree, tmp_path / "new", names=["risk", "fit"], log=said.append)
    assert sorted(path.name for path in paths) == [
        f"{name}.{form}" for name in ("fit", "risk") for form in ("pdf", "png", "svg")
    ]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    assert (tmp_path / "new" / "risk.png").read_bytes().startswith(b"\x89PNG")
    pdf = (tmp_path / "new" / "risk.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf
    assert "population risk (output²)" in (tmp_path / "new" / "risk.svg").read_text(encoding="utf-8")
    assert len(said) == 6


def test_the_same_result_gives_the_same_files(tree, tmp_path):
    for folder in ("a", "b"):
        figures.save_all(tree, tmp_path / folder, names=["risk"])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_save_all_refuses_unknown_names_before_drawing(tree, tmp_path):
    with pytest.raises(InputError, match=r"unknown figure 'rsik'\. Did you mean 'risk'"):
        figures.save_all(tree, tmp_path / "new", names=["risk", "rsik"])
    with pytest.raises(InputError, match=r"unknown figure format 'pgn'\. Did you mean 'png'"):
        figures.save_all(tree, tmp_path / "new", formats=["pgn"])
    assert not (tmp_path / "new").exists()


@dataclass(frozen=True)
class Own(figures.Figure):
    """A figure of somebody else's, made with pyplot."""

    name: ClassVar[str] = "own"
    title: ClassVar[str] = "Somebody else's"

    def draw(self, tree):
        from matplotlib import pyplot as plt

        figure, ax = plt.subplots()
        ax.plot([0, 1], [0, len(tree.children)])
        return figure


@dataclass(frozen=True)
class Broken(figures.Figure):
    """A figure that fails."""

    name: ClassVar[str] = "broken"
    title: ClassVar[str] = "Broken"

    def draw(self, tree):
        raise KeyError("no such thing")


@dataclass(frozen=True)
class Wrong(figures.Figure):
    """A figure that is none."""

    name: ClassVar[str] = "wrong"
    title: ClassVar[str] = "Wrong"

    def draw(self, tree):
        return "picture"


class Skipped(Broken):
    """A figure with nothing to show."""

    name: ClassVar[str] = "skipped"

    def draw(self, tree):
        raise figures.NothingToDraw("there is nothing")


@pytest.fixture
def with_others(monkeypatch):
    """Register the figures above as a plugin for one test."""
    registry = plugins.registry()
    known = dict(registry._components["figures"])
    others = {cls.name: cls for cls in (Broken, Wrong, Skipped, Own)}
    monkeypatch.setitem(registry._components, "figures", {"risk": known["risk"]} | others)


@pytest.mark.thorough
def test_a_figure_that_fails_does_not_lose_the_others(tree, tmp_path, with_others):
    from matplotlib import pyplot as plt

    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        paths = figures.save_all(tree, tmp_path, formats=["png"], log=said.append)
    assert sorted(path.name for path in paths) == ["own.png", "risk.png"]
    texts = [str(w.message) for w in caught if issubclass(w.category, figures.FigureWarning)]
    assert texts == [
        "figure 'broken' is not drawn: KeyError: 'no such thing'",
        "figure 'wrong' is not drawn: TypeError: draw must return a matplotlib figure, got str",
    ]
    assert "skipped: skipped: there is nothing" in said
    assert "broken: not drawn" in said
    assert plt.get_fignums() == []


def test_plugins_load_without_matplotlib():
    code = (
        "import sys, gfcompare.figures.plugin as p; p.gfcompare_figures(); "
        "heavy = {'matplotlib', 'seaborn', 'xarray', 'pandas', 'numpy'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tables_are_tidy(tree):
    table = data.curves(tree["ramp"].to_dataset(), "risk", "wall_time")
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["method", "x", "median", "lower", "upper", "running", "seeds"]
    assert not table.isna().any(axis=None)


@pytest.mark.thorough
def test_a_notebook_shows_the_whole_page(tree):
    """Notebooks save figures tightly, which must not cut the legend off."""
    figure = figures.risk(tree)
    shapes = []
    for tightly in ({"bbox_inches": "tight", "pad_inches": 0.0}, {}):
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=50, **tightly)
        image.seek(0)
        shapes.append(plt.imread(image).shape)
    assert shapes[0] == shapes[1]


# ---------------------------------------------------------------------------------------------------
# Thousands of seeds
# ---------------------------------------------------------------------------------------------------


def test_steps_finer_than_a_line_are_left_out_and_few_are_all_there() -> None:
    few = np.linspace(0.0, 1.0, 900)
    assert shares.seen(few).tolist() == list(range(900))
    share = np.arange(1, 10_001) / 10_000
    places = shares.seen(share)
    assert len(places) <= 1003
    assert (places[0], places[-1]) == (0, share.size - 1)
    held = share[places[np.searchsorted(places, np.arange(share.size), side="right") - 1]]
    assert np.abs(held - share).max() <= 1e-3


@pytest.mark.thorough
def test_dots_of_thousands_of_seeds_are_an_image_and_do_not_hide_the_median(ended) -> None:
    one = ended["sine"].to_dataset().isel(seed=[0])
    copies = [one.assign_coords(seed=[k]) for k in range(1001)]
    rule = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
    many = xr.DataTree.from_dict({"/": ended.to_dataset(), "sine": xr.concat(copies, "seed", **rule)})
    for tree, dense in ((ended, False), (many, True)):
        ax = panels(figures.final_risk(tree, problems=["sine"]))[0]
        dots = [each for each in ax.collections if isinstance(each, PathCollection)]
        assert all(bool(each.get_rasterized()) is (len(each.get_offsets()) > 1000) for each in dots)
        assert any(each.get_rasterized() for each in dots) is dense
        boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
        assert boxes
        assert all((box.get_zorder() > dots[0].get_zorder()) is dense for box in boxes)
