"""Figures of problems on rectangles, boxes and points: what they show, and which of them apply."""

import re
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.text import Text

import gfcompare as gfc
from gfcompare import figures
from gfcompare.figures import data, fit_at_points, fit_maps, log_axes, one_trajectory, theme
from gfcompare.figures.breakpoints import zero_lines
from gfcompare.hooks import registry
from gfcompare.integrators.status import Status
from gfcompare.report.summary import unfinished

RNG = np.random.default_rng(7)
CLOUD = RNG.standard_normal((30, 3))
OTHERS = RNG.standard_normal((8, 3))


def run(folder, targets, measure, network, *, names=("standard-gf", "gd"), nodes=None):
    study = gfc.Study(
        folder.name,
        targets=targets,
        measure=measure,
        network=gfc.ReLUNetwork(network),
        quadrature=gfc.Quadrature(nodes=nodes) if nodes else None,
        integrators={name: gfc.integrator(name) for name in names},
        times=gfc.Times(end=4.0, count=6),
        seeds=3,
    )
    return study.run(folder, jobs=1)


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    """A rectangle, 2 wide and 3 high, and two outputs."""
    bump = gfc.targets.RadialBump([0.2, 1.0], width=0.6)
    ridge = gfc.targets.Ridge(gfc.targets.AbsoluteValue(0.5), [0.6, 0.8])
    measure = gfc.measures.Box([-1.0, 0.0], [1.0, 3.0], 2)
    return run(
        tmp_path_factory.mktemp("plane"),
        {"pair": gfc.targets.Stack([bump, ridge])},
        measure,
        (2, 4, 2),
        nodes=16,
    )


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """Three inputs, a measure with a density."""
    target = gfc.targets.ProductOfSines([0.3, 0.2, 0.1])
    measure = gfc.measures.Box(-1.0, 1.0, 3)
    return run(tmp_path_factory.mktemp("cube"), {"product": target}, measure, (3, 4, 1), nodes=16)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A data set of three inputs, with points held out."""
    measure = gfc.measures.Points(
        CLOUD, observed=np.abs(CLOUD[:, 0]), test_data=OTHERS, test_observed=np.abs(OTHERS[:, 0])
    )
    return run(tmp_path_factory.mktemp("table"), {"observed": gfc.targets.Labels()}, measure, (3, 4, 1))


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    """A data set of one input, with points held out."""
    x, other = np.linspace(0.0, 1.0, 15), np.array([0.11, 0.52, 0.93])
    measure = gfc.measures.Points(x, observed=np.sin(6 * x), test_data=other, test_observed=np.sin(6 * other))
    return run(tmp_path_factory.mktemp("curve"), {"wave": gfc.targets.Labels()}, measure, (1, 4, 1))


@pytest.fixture(scope="module")
def scattered(tmp_path_factory):
    """Points in the plane."""
    measure = gfc.measures.Discretized(gfc.measures.Box(-1.0, 1.0, 2), count=16, rule="sobol")
    target = gfc.targets.ProductOfSines([0.5, 0.5])
    return run(tmp_path_factory.mktemp("scattered"), {"product": target}, measure, (2, 4, 1))


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """Two hidden layers on the line."""
    names = ("standard-gf", "normalized-gf", "gd")
    return run(
        tmp_path_factory.mktemp("deep"),
        {"sine": gfc.targets.Sine()},
        gfc.measures.Uniform(),
        (1, 4, 4, 1),
        names=names,
    )


@pytest.fixture(scope="module")
def mixed(plane, cube, table, curve, scattered, deep):
    """Every kind of problem in one result."""
    trees = {
        "plane": plane,
        "cube": cube,
        "table": table,
        "curve": curve,
        "scattered": scattered,
        "deep": deep,
    }
    return xr.DataTree.from_dict(
        {
            f"{kind} {name}": node.to_dataset()
            for kind, tree in trees.items()
            for name, node in tree.children.items()
        }
    )


def only(tree):
    """Return the one group of a result."""
    (node,) = tree.children.values()
    return node.to_dataset()


def stopped(tree, method, last, status=Status.KINK):
    """Return the result with every trajectory of a method ended after the save time `last`."""
    group = only(tree).copy(deep=True)
    index = list(group["integrator"].values).index(method)
    group["status"][index] = status.value
    group["end_time"][index] = group["time"].values[last]
    for name, variable in group.data_vars.items():
        if variable.dims[:3] == ("integrator", "seed", "time"):
            ended = -1 if variable.dtype.kind == "i" else np.nan
            group[name][index, :, last + 1 :] = ended
    return xr.DataTree.from_dict({next(iter(tree.children)): group})


def changed(tree, **values):
    """Return the result with variables of the method gd filled at the last save time."""
    group = only(tree).copy(deep=True)
    for name, value in values.items():
        group[name].loc[{"integrator": "gd"}][:, -1] = value
    return xr.DataTree.from_dict({next(iter(tree.children)): group})


def titled(figure):
    """Return the panels with a title."""
    return [ax for ax in figure.axes if ax.get_title()]


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def is_bar(ax):
    return ax.yaxis.get_ticks_position() == "right"


def is_empty(ax):
    return not [*ax.lines, *ax.collections, *ax.patches, *ax.texts, *ax.images]


# What is shown


def test_field_is_the_network_on_the_grid(plane):
    group = only(plane)
    values = fit_maps.field(group, "gd", 1, 4)
    state = group.sel(integrator="gd", seed=1).isel(time=4)
    point = np.array([group["x_1"].values[10], group["x_2"].values[50]])
    hidden = np.maximum(state["weight_1"].values @ point + state["bias_1"].values, 0)
    expected = state["weight_2"].values @ hidden + state["bias_2"].values
    assert values.shape == (*group["target"].shape,)
    assert np.allclose(values[10, 50], expected, rtol=1e-12)


def test_predictions_are_the_network_at_every_point(table):
    group = only(table)
    found = fit_at_points.predictions(group, "standard-gf", 2, 5, 0)
    state = group.sel(integrator="standard-gf", seed=2).isel(time=5)
    points = np.concatenate([CLOUD, OTHERS])
    hidden = np.maximum(points @ state["weight_1"].values.T + state["bias_1"].values, 0)
    expected = (hidden @ state["weight_2"].values.T + state["bias_2"].values)[:, 0]
    assert np.allclose(found["network"], expected, rtol=1e-12)
    assert np.allclose(found["target"], np.abs(points[:, 0]))
    assert found["held_out"].tolist() == [False] * 30 + [True] * 8


def with_first_layer(plane, weight, bias):
    group = only(plane).copy(deep=True)
    group["weight_1"][:] = np.asarray(weight, dtype=float)
    group["bias_1"][:] = np.asarray(bias, dtype=float)
    return group


def test_zero_lines_end_on_the_rectangle(plane):
    # On [-1, 1] x [0, 3]: x_1 = 0.5; x_2 = 1; the diagonal through two corners; a line outside.
    group = with_first_layer(plane, [[2, 0], [0, 1], [3, -2], [1, 0]], [-1, -1, 3, -5])
    lines = zero_lines(group, "gd", 0, 3)
    ends = {tuple(sorted(map(tuple, np.round(line, 12)))) for line in lines}
    assert ends == {((0.5, 0), (0.5, 3)), ((-1, 1), (1, 1)), ((-1, 0), (1, 3))}


def test_neurons_without_a_line_have_none(plane):
    # No weights; a line that only touches a corner; no numbers.
    group = with_first_layer(plane, [[0, 0], [1, 1], [0, 0], [np.nan, 1]], [1, 1, 0, 0])
    assert zero_lines(group, "gd", 0, 3).shape == (0, 2, 2)


def test_colours_are_those_of_the_target_and_of_what_is_near(plane):
    group = only(plane)
    target = group["target"].values[..., 0]
    low, high = target.min(), target.max()

    def limits(*values):
        return fit_maps.colour_limits(group, [fit_maps.Map("m", np.full_like(target, v)) for v in values], 0)

    assert limits(0.5 * (low + high)) == (low, high)
    assert limits(low - 0.2 * (high - low)) == (low - 0.2 * (high - low), high)
    assert limits(1e30, -1e30, np.nan) == (low, high)  # what is far off is cut, not squashed


def test_limits_of_a_constant_target(plane):
    group = only(plane).copy(deep=True)
    group["target"][:] = 2.0
    for name in ("sample_target",):
        group[name][:] = 2.0
    low, high = fit_maps.colour_limits(group, [fit_maps.Map("m", np.full((3, 3), 1e9))], 0)
    assert low < 2.0 < high


def test_what_leaves_the_scale_is_said():
    def sides(*values):
        return fit_maps.off_scale([fit_maps.Map("m", np.full((2, 2), v)) for v in values], (0.0, 1.0))

    assert sides(0.0, 1.0) == "neither"
    assert sides(-1.0, 0.5) == "min"
    assert sides(1.5, np.nan) == "max"
    assert sides(-1.0, 2.0) == "both"
    assert sides(np.nan) == "neither"


def test_last_state(plane):
    tree = stopped(plane, "gd", 2)
    assert one_trajectory.last_state(only(tree), "gd", 0) == 2
    assert one_trajectory.last_state(only(tree), "standard-gf", 0) == only(tree).sizes["time"] - 1
    assert one_trajectory.gone(only(tree), "gd", 0).startswith("kink\nat t = ")


@pytest.mark.parametrize("values", [[0.29, 1.2], [0.26, 0.4], [1.0], [7e-9, 8e-9], [3.0, 5e4], [0.9, 1.1]])
def test_logarithmic_axes_have_two_labels_and_little_else(values):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    low, high = log_axes.limits_around(values)
    log_axes.make(ax, "y", (low, high))
    labels = [
        text.get_text()
        for tick, text in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
        if low <= tick <= high
    ]
    assert len([label for label in labels if label]) >= 2
    assert low <= min(values) <= max(values) <= high
    assert high / low < 2.0 * (max(values) / min(values)) ** 1.1


def test_labels_between_powers_of_ten():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    limits = log_axes.limits_around([0.29, 1.2])
    log_axes.make(ax, "y", limits)
    ticks = [tick for tick in ax.get_yticks() if limits[0] <= tick <= limits[1]]
    assert np.allclose(ticks, [0.5, 1.0])
    assert ax.yaxis.get_major_formatter()(0.5, 0) == "0.5"


# Maps


def maps_of(figure):
    """Return for each row its panels with an image, and its colour bar."""
    found = {}
    for ax in figure.axes:
        row = ax.get_subplotspec().rowspan.start
        found.setdefault(row, ([], []))[1 if is_bar(ax) else 0].append(ax)
    return [found[row] for row in sorted(found)]


def test_fit_on_a_rectangle_shows_target_and_networks_on_one_scale(plane):
    figure = figures.fit(plane, seed=1)
    group = only(plane)
    rows = maps_of(figure)
    assert len(rows) == 2  # outputs
    assert [ax.get_title() for ax in rows[0][0]] == ["target", "standard-gf", "gd"]
    for output, (panels, (bar,)) in enumerate(rows):
        images = [ax.images[0] for ax in panels]
        assert len({image.get_clim() for image in images}) == 1
        assert len({image.get_cmap().name for image in images}) == 1
        low, high = images[0].get_clim()
        target = group["target"].values[..., output]
        assert low <= target.min() <= target.max() <= high
        assert np.array_equal(images[0].get_array(), target.T)
        for image, method in zip(images[1:], ("standard-gf", "gd"), strict=True):
            network = fit_maps.field(group, method, 1, group.sizes["time"] - 1)[..., output]
            assert np.allclose(image.get_array(), network.T)
        assert bar.get_ylabel() == f"pair\noutput {output + 1} of 2\nseed 1, $t$ = 4"
        assert bar.get_ylim() == (low, high)
    assert figure.get_supxlabel() == "input $x_1$"
    assert figure.get_supylabel() == "input $x_2$"


@pytest.mark.thorough
def test_maps_have_the_shape_of_the_rectangle_and_touch_their_frames(plane):
    figure = figures.fit(plane)
    figure.draw_without_rendering()
    for ax in figure.axes:
        if is_bar(ax):
            continue
        box = ax.get_window_extent()
        assert box.height / box.width == pytest.approx(1.5, rel=0.02)  # 3 by 2
        assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 1), (0, 3))
        left, right, low, high = ax.images[0].get_extent()
        assert left < -1 < 1 < right  # the outermost values are centred on the edges
        assert low < 0 < 3 < high


@pytest.mark.thorough
def test_fit_at_given_times_has_a_row_for_each(plane):
    times = only(plane)["time"].values
    figure = figures.fit(plane, times=[0.0, times[3]])
    labels = [ax.get_ylabel() for ax in figure.axes if is_bar(ax)]
    assert [label.split("$t$ = ")[1] for label in labels] == ["0", theme.number(times[3])] * 2


@pytest.mark.thorough
def test_a_network_off_the_scale_is_said_to_be(plane):
    figure = figures.fit(changed(plane, bias_2=1e6))
    assert texts(figure).count("off the scale") == 2
    bars = [ax for ax in figure.axes if is_bar(ax)]
    assert [i.colorbar.extend for ax in figure.axes for i in ax.images if i.colorbar] == ["max", "max"]
    target = only(plane)["target"].values[..., 0]
    assert bars[0].get_ylim()[1] <= target.max() + 0.5 * np.ptp(target)


@pytest.mark.thorough
def test_a_trajectory_that_ended_is_a_remark(plane):
    tree = stopped(plane, "gd", 2)
    time = theme.number(only(plane)["time"].values[2])
    assert texts(figures.fit(tree)) == [f"kink\nat t = {time}"] * 2
    assert len(texts(figures.fit(tree, times=[0.0]))) == 0
    alone = figures.fit(tree, methods=["gd"])
    assert not [ax for ax in alone.axes if is_empty(ax)]


@pytest.mark.thorough
def test_many_methods_take_more_rows(plane):
    group = only(plane)
    many = xr.concat([group.isel(integrator=[0])] * 7, dim="integrator", data_vars="minimal")
    many = many.assign_coords(integrator=[f"m{k}" for k in range(7)])
    figure = figures.fit(xr.DataTree.from_dict({"pair": many}))
    rows = maps_of(figure)
    assert [len(panels) for panels, _ in rows] == [4, 4, 4, 4]  # target and 7 methods, two outputs
    assert len({ax.images[0].get_clim() for panels, _ in rows[:2] for ax in panels}) == 1
    assert figure.get_size_inches()[0] == 6.8


# Lines in the plane


def test_breakpoints_in_the_plane_are_lines_at_start_and_end(plane):
    figure = figures.breakpoints(plane, seed=2)
    group = only(plane)
    looks = theme.line_styles(["standard-gf", "gd"])
    assert [ax.get_title() for ax in titled(figure)] == ["standard-gf", "gd"]
    for ax, method in zip(titled(figure), looks, strict=True):
        start, end = (c for c in ax.collections if isinstance(c, LineCollection))
        for drawn, index in ((start, 0), (end, group.sizes["time"] - 1)):
            assert np.allclose(np.array(drawn.get_segments()), zero_lines(group, method, 2, index))
        assert to_rgb(end.get_color()[0]) == pytest.approx(looks[method].colour)
        assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 1), (0, 3))
    assert legend_texts(figure) == ["where a neuron switches, at the end", "at the start"]
    assert figure.get_supxlabel() == "input $x_1$"


def test_lines_of_points_are_drawn_over_the_points(scattered):
    figure = figures.breakpoints(scattered)
    (line,) = titled(figure)[0].lines
    assert np.array_equal(np.column_stack(line.get_data()), only(scattered)["sample_x"].values)
    assert "point" in legend_texts(figure)


def test_a_panel_without_lines_says_so(plane):
    figure = figures.breakpoints(changed(plane, weight_1=0.0, bias_1=1.0))
    assert "no line in view" in texts(figure)


def test_lines_of_a_trajectory_that_ended_are_its_last(plane):
    tree = stopped(plane, "gd", 2)
    figure = figures.breakpoints(tree, seed=0, methods=["gd"])
    (ax,) = titled(figure)
    assert np.allclose(np.array(ax.collections[1].get_segments()), zero_lines(only(plane), "gd", 0, 2))
    assert any(text.startswith("kink\nat t = ") for text in texts(figure))


# Values at points


def test_fit_of_a_data_set_is_network_against_target(table):
    figure = figures.fit(table, seed=1)
    group = only(table)
    assert [ax.get_title() for ax in titled(figure)] == ["standard-gf", "gd"]
    for ax, method in zip(titled(figure), ("standard-gf", "gd"), strict=True):
        diagonal, trained, held_out = ax.lines
        assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
        assert diagonal.get_xdata()[0] <= ax.get_xlim()[0] < ax.get_xlim()[1] <= diagonal.get_xdata()[1]
        assert ax.get_xlim() == ax.get_ylim()
        expected = fit_at_points.predictions(group, method, 1, group.sizes["time"] - 1, 0)
        for line, kind in ((trained, False), (held_out, True)):
            part = expected[expected["held_out"] == kind]
            assert np.allclose(line.get_xdata(), part["target"])
            assert np.allclose(line.get_ydata(), part["network"])
        assert held_out.get_markerfacecolor() == "none"
        assert trained.get_markerfacecolor() != "none"
        box = ax.get_window_extent()
        assert box.height / box.width == pytest.approx(1.0, rel=0.02)
    assert legend_texts(figure) == ["network = target", "training point", "point held out"]
    assert figure.get_supxlabel() == "target (output)"
    assert figure.get_supylabel() == "network (output)"


def test_fit_on_a_cube_shows_points_drawn_from_the_measure(cube):
    figure = figures.fit(cube)
    assert legend_texts(figure) == ["network = target", "point drawn from the measure"]
    assert [len(ax.lines) for ax in titled(figure)] == [2, 2]
    assert len(titled(figure)[0].lines[1].get_xdata()) == only(cube).sizes["point"]
    assert "$t$ = 4" in titled(figure)[-1].texts[-1].get_text()


def test_points_out_of_view_are_counted(table):
    figure = figures.fit(changed(table, bias_2=1e6))
    assert "38 of 38 not in view" in texts(figure)
    target = only(table)["sample_target"].values
    assert titled(figure)[0].get_xlim()[1] < 10 * target.max()


def test_a_scatter_plot_of_a_trajectory_that_ended_is_a_remark(table):
    figure = figures.fit(stopped(table, "gd", 1))
    assert any(text.startswith("kink\nat t = ") for text in texts(figure))


def test_points_on_the_line_are_drawn_with_the_networks(curve):
    figure = figures.fit(curve, seed=0)
    group = only(curve)
    last = titled(figure)[-1]
    points, held_out, *networks = last.lines
    assert np.array_equal(points.get_ydata(), group["sample_target"].values[:, 0])
    assert np.array_equal(held_out.get_xdata(), group["test_x"].values[:, 0])
    assert points.get_linestyle() == held_out.get_linestyle() == "None"
    assert points.get_fillstyle() == "full"
    assert held_out.get_fillstyle() == "none"
    for line, method in zip(networks, ("standard-gf", "gd"), strict=True):
        x = np.linspace(0.0, 1.0, 401)
        assert np.array_equal(line.get_xdata(), x)
        expected = one_trajectory.realized(group, method, 0, group.sizes["time"] - 1, x[:, None])[:, 0]
        assert np.allclose(line.get_ydata(), expected)
    assert legend_texts(figure) == ["target at the points", "point held out", "standard-gf", "gd"]


# Quantities over time


def test_training_and_test_risk_are_told_apart_by_line_style(table):
    figure = figures.test_risk(table)
    group = only(table)
    lines = [line for line in titled(figure)[0].lines if len(line.get_xdata()) > 1]
    assert [line.get_linestyle() for line in lines] == ["-", "-", "--", "--"]
    assert [line.get_color() for line in lines[:2]] == [line.get_color() for line in lines[2:]]
    expected = [group[q].sel(integrator=m) for q in ("risk", "test_risk") for m in ("standard-gf", "gd")]
    for line, values in zip(lines, expected, strict=True):
        later = np.median(group["flow_time"].sel(integrator=values["integrator"]), axis=0) > 0
        assert np.allclose(line.get_ydata(), np.median(values, axis=0)[later])
    assert len(titled(figure)[0].collections) == 4  # bands
    labels = legend_texts(figure)
    assert labels == [
        "standard-gf",
        "gd",
        "training risk",
        "test risk",
        "median and quartiles over all seeds",
    ]
    handles = [handle for row in figure.legends for handle in row.legend_handles]
    styles = {text: handle.get_linestyle() for text, handle in zip(labels[:4], handles[:4], strict=True)}
    assert styles == {"standard-gf": "-", "gd": "-", "training risk": "-", "test risk": "--"}
    assert figure.get_supylabel() == "risk (output²)"


def test_the_risk_of_points_is_not_that_of_a_population(table, cube):
    assert figures.risk(table).get_supylabel() == "risk (output²)"
    assert figures.risk(cube).get_supylabel() == "population risk (output²)"


def test_quadrature_error_is_drawn_up_to_its_largest_value(cube):
    group = only(cube).copy(deep=True)
    group["quadrature_error"][..., -1] = 1e7 * float(group["quadrature_error"][..., 0].median())
    figure = figures.quadrature_error(xr.DataTree.from_dict({"product": group}))
    (ax,) = titled(figure)
    assert ax.get_ylim()[1] > float(group["quadrature_error"][..., -1].max())
    assert "estimated bound" in figure.get_supylabel()


@pytest.mark.thorough
def test_deep_networks(deep):
    found = draw_all(deep)
    others = {
        "test_risk",
        "quadrature_error",
        "cylinder",
        "distance_to_own_flow",
        "risk_by_option",
        "limits",
        "landscape",
    }
    assert set(found) == {cls.name for cls in figures_of_gfcompare()} - others
    group = only(deep)
    assert (group["distance_to_manifold"].sel(integrator="normalized-gf") < 1e-13).all()
    assert (group["distance_to_manifold"].sel(integrator="gd") > 1e-3).all()
    assert found["breakpoints"].get_supylabel() == "breakpoints of the first layer (input)"
    assert legend_texts(found["distance_to_manifold"])[0] == "normalized-gf"
    texts = [text.get_text() for text in found["distance_to_flow"].findobj(Text)]
    assert any(text.startswith("gd") for text in texts)


# Which figures apply


def figures_of_gfcompare():
    known = registry.registry()
    return [cls for cls in known.all("figures") if known.origin("figures", cls.name).name == "figures"]


def draw_all(tree, names=None):
    """Draw every figure that applies to a result, or those of them that are named."""
    found = {}
    for cls in figures_of_gfcompare():
        if names is not None and cls.name not in names:
            continue
        try:
            found[cls.name] = cls().draw(tree)
        except figures.NothingToDraw:
            continue
    return found


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("test_risk", {"table", "curve"}),
        ("quadrature_error", {"plane", "cube"}),
        ("breakpoints", {"plane", "curve", "scattered", "deep"}),
        ("fit", {"plane", "cube", "table", "curve", "scattered", "deep"}),
    ],
)
def test_a_figure_says_to_which_problems_it_applies(mixed, name, kinds):
    cls = registry.registry().get("figures", name)
    assert {
        str(key).split()[0] for key, node in mixed.children.items() if cls.applies(node.to_dataset())
    } == kinds


@pytest.mark.thorough
def test_a_figure_shows_the_problems_to_which_it_applies(mixed):
    assert [ax.get_title() for ax in titled(figures.test_risk(mixed))] == ["table observed", "curve wave"]
    assert [ax.get_title() for ax in titled(figures.quadrature_error(mixed))] == [
        "plane pair",
        "cube product",
    ]


def test_a_figure_that_applies_to_no_problem_is_left_out(cube, tmp_path):
    with pytest.raises(figures.NothingToDraw, match="no problem has one or two inputs"):
        figures.breakpoints(cube)
    with pytest.raises(figures.NothingToDraw, match="no problem has points held out"):
        figures.test_risk(cube)
    said = []
    paths = figures.save_all(cube, tmp_path, names=["breakpoints", "fit"], formats=["png"], log=said.append)
    assert [path.name for path in paths] == ["fit.png"]
    assert "breakpoints: skipped: no problem has one or two inputs" in said


@dataclass(frozen=True)
class OfData(figures.Figure):
    """A figure of somebody else's that shows data sets only."""

    name: ClassVar[str] = "of-data"
    title: ClassVar[str] = "Data"
    scope: ClassVar[str] = "points held out, alas"

    @classmethod
    def applies(cls, group):
        return "test_x" in group.variables

    def draw(self, tree):
        from matplotlib.figure import Figure

        return Figure()


def test_somebody_elses_figure_is_asked_before_it_draws(table, cube, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.registry()._components, "figures", {"of-data": OfData})
    said = []
    assert figures.save_all(cube, tmp_path, formats=["png"], log=said.append) == []
    assert said == ["of-data: skipped: no problem has points held out, alas"]
    assert [path.name for path in figures.save_all(table, tmp_path, formats=["png"])] == ["of-data.png"]


# Every kind at once


PARTED = ("risk", "final_risk", "fit", "breakpoints")


@pytest.fixture(
    scope="module", params=[PARTED, pytest.param(None, marks=pytest.mark.thorough)], ids=["some", "all"]
)
def drawn(mixed, request):
    """Figures of all problems: those that show every kind of problem otherwise, and all."""
    found = draw_all(mixed, request.param)
    others = ("cylinder", "distance_to_own_flow", "risk_by_option", "limits", "landscape")
    assert list(found) == [
        cls.name
        for cls in figures_of_gfcompare()
        if (cls.name not in others if request.param is None else cls.name in request.param)
    ]
    return found


def test_mixed_figures_have_no_empty_panel_and_keep_clear_of_the_legend(drawn):
    for name, figure in drawn.items():
        assert not [ax for ax in figure.axes if is_empty(ax)], name
        legend = figure.legends[0].get_window_extent()
        assert not [ax for ax in figure.axes if legend.overlaps(ax.get_window_extent())], name


def test_mixed_problems_are_named_in_every_figure(drawn, mixed):
    for name, figure in drawn.items():
        if name in ("fit", "final_risk", "risk", "gradient_norm"):
            words = [
                *texts(figure),
                *(ax.get_title() for ax in figure.axes),
                *(ax.get_ylabel() for ax in figure.axes),
            ]
            text = re.sub(r"\s+", " ", " ".join(words))
            assert all(str(problem) in text for problem in mixed.children), name


def test_the_parts_of_a_mixed_fit_have_their_own_axes(drawn):
    parts = drawn["fit"].subfigs
    assert [part.get_supxlabel() for part in parts] == ["input $x$", "input $x_1$", "target (output)"]
    parts = drawn["breakpoints"].subfigs
    assert [part.get_supxlabel() for part in parts] == ["flow time (parameter² / risk)", "input $x_1$"]


@pytest.mark.thorough
def test_mixed_figures_are_written_without_warnings(mixed, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = figures.save_all(mixed, tmp_path, names=["fit"])
    assert len(paths) == 3


def test_problems_without_a_flow_are_left_out_of_the_distance_to_it(plane, table):
    alone = only(table).sel(integrator=["gd"]).drop_vars("distance_to_flow")
    tree = xr.DataTree.from_dict({"pair": only(plane), "alone": alone})
    assert [ax.get_title() for ax in titled(figures.distance_to_flow(tree))] == ["pair"]


# A flow that slides along a kink


def test_a_kink_has_a_word_everywhere(table):
    tree = stopped(table, "standard-gf", 2)
    assert data.outcomes(data.view(tree))["standard-gf"] == "3/3 kink"
    assert "standard-gf (3/3 kink)" in legend_texts(figures.risk(tree))
    (sentence,) = unfinished(tree)
    assert sentence.startswith("observed / standard-gf: 3 of 3 seeds stopped at a kink, seed 0: ")
