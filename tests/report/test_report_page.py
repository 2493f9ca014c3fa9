"""The report page in a real browser: what its controls change, and that it asks for nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import PATIENCE

import gfcompare as gfc
from gfcompare import figures
from gfcompare.figures import data, fit_maps
from gfcompare.figures.breakpoints import zero_lines
from gfcompare.figures.one_trajectory import realized, typical_seed
from gfcompare.report import curves, page, tables
from gfcompare.report.summary import summary

pytestmark = pytest.mark.thorough

HOSTILE = "</script><script>window.hacked = 1</script>"
METHODS = ('"><img src=x onerror="window.hacked = 1">', "<b>gd</b> &amp; 'é∂'")
PROBLEMS = {
    "plane": "plane <i onclick=hacked>",
    "deep": "deep &lt;'\"",
    "points": '=1+1, "points"',
    "field": "field %{x}",
    "cube": "cube",
}


CHECKS = pd.DataFrame(
    {
        "problem": "sine",
        "integrator": ["standard-gf", "standard-gf", "standard-gf", "sgd"],
        "seed": [0, 1, 2, 0],
        "check": "balancedness",
        "residual": [1e-9, 3e-8, 2e-9, np.nan],
        "tolerance": [1e-8, 1e-8, 1e-8, np.nan],
        "outcome": ["pass", "fail", "pass", "does not apply"],
        "detail": ["", "at t = 1", "", "not a flow"],
        "reference": "arXiv:1806.00900",
    }
)

STATISTICS = {
    "Medians <with> intervals": pd.DataFrame(
        {"problem": ["sine"], "method": ["sgd"], "median": [0.25]}
    ).set_index(["problem", "method"])
}


@pytest.fixture(scope="module")
def small_page(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `small_study`."""
    tree = gfc.open_study(small_folder)
    path = tmp_path_factory.mktemp("page") / "report.html"
    return page.write(tree, path, checks=CHECKS, statistics=STATISTICS)


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    """Two inputs, two hidden layers, points of one and two inputs, three inputs; names that attack a page."""
    rng = np.random.default_rng(5)
    line, cloud = rng.random((12, 1)), rng.standard_normal((10, 2))
    bump = gfc.targets.RadialBump([0.2, 0.1], width=0.6)
    ridge = gfc.targets.Ridge(gfc.targets.AbsoluteValue(0.1), [0.6, 0.8])
    sines = gfc.targets.ProductOfSines([0.3, 0.2, 0.1])
    kinds = {
        "plane": (gfc.targets.Stack([bump, ridge]), gfc.measures.Box([-1.0, 0.0], [1.0, 1.5], 2), (2, 4, 2)),
        "deep": (gfc.targets.Sine(), gfc.measures.Uniform(), (1, 4, 3, 1)),
        "points": (gfc.targets.Sine(), gfc.measures.Points(line), (1, 4, 1)),
        "field": (bump, gfc.measures.Points(cloud), (2, 4, 1)),
        "cube": (sines, gfc.measures.Box(-1.0, 1.0, 3), (3, 4, 1)),
    }
    groups, attributes = {}, {}
    for name, (target, measure, widths) in kinds.items():
        tree = gfc.Study(
            name,
            targets={name: target},
            measure=measure,
            network=gfc.ReLUNetwork(widths),
            quadrature=gfc.Quadrature(nodes=9) if name in ("plane", "cube") else None,
            integrators={
                "standard-gf": gfc.integrator("standard-gf"),
                "gd": gfc.integrator("gd", step_size=0.05),
            },
            times=gfc.Times(end=2.0, count=4),
            seeds=3,
        ).run(tmp_path_factory.mktemp(name), jobs=1)
        group = tree[name].to_dataset()
        groups[f"/{PROBLEMS[name]}"] = group.assign_coords(integrator=np.array(METHODS, dtype=object))
        attributes = tree.attrs
    source = f"# {HOSTILE} -->\nname = 'é'\n"
    attributes |= {"title": HOSTILE, "description": HOSTILE, "study_source": source}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


@pytest.fixture(scope="module")
def spaces_page(spaces: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page.write(spaces, tmp_path_factory.mktemp("spaces") / "report.html")


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; when the test ends there must have been no error and no request but for the file."""
    contexts, errors, requests, files = [], [], [], set()

    def opened(path: Path, *, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        found = context.new_page()
        found.on("console", lambda message: errors.append(message.text))
        found.on("pageerror", lambda error: errors.append(str(error)))
        found.on("request", lambda request: requests.append(request.url))
        files.add(path.as_uri())
        found.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            found.wait_for_selector("#curves-plot .main-svg", timeout=20_000 * PATIENCE)
        return found

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
    assert {url for url in requests if not url.startswith(("data:", "blob:"))} == files


def traces(opened: Any, figure: str) -> list[dict[str, Any]]:
    """Return Plotly's traces, arrays as lists."""
    found: list[dict[str, Any]] = opened.evaluate(
        """(figure) => document.getElementById(`${figure}-plot`).data.map((trace) => ({
            meta: trace.meta, type: trace.type, dash: trace.line?.dash, symbol: trace.marker?.symbol,
            xaxis: trace.xaxis, x: Array.from(trace.x ?? []), y: Array.from(trace.y ?? []),
            z: trace.z?.map((row) => Array.from(row)), hovertext: trace.hovertext,
        }))""",
        figure,
    )
    return found


def named(opened: Any, figure: str, meta: str) -> dict[str, Any]:
    (found,) = [trace for trace in traces(opened, figure) if trace["meta"] == meta]
    return found


def axes(opened: Any, figure: str = "curves") -> dict[str, Any]:
    found: dict[str, Any] = opened.evaluate(
        """(figure) => { const { xaxis, yaxis } = document.getElementById(`${figure}-plot`).layout;
            return { x: xaxis.range, y: yaxis.range, xtype: xaxis.type, ytype: yaxis.type,
                     xtitle: xaxis.title.text, ytitle: yaxis.title.text }; }""",
        figure,
    )
    return found


def show(opened: Any, **chosen: str) -> None:
    """Choose in the controls of the curves."""
    for control, value in chosen.items():
        opened.select_option(f"#curves-{control}", value)


def test_medians_are_drawn_against_every_clock(visit: Any, small_page: Path, small_tree: xr.DataTree) -> None:
    opened = visit(small_page)
    for number, (name, node) in enumerate(small_tree.children.items()):
        show(opened, problem=str(number))
        for clock in curves.CLOCKS:
            show(opened, clock=clock)
            table = data.curves(node.to_dataset(), "risk", clock)
            for method, part in table.groupby("method", sort=False):
                drawn = named(opened, "curves", str(method))
                np.testing.assert_allclose(drawn["x"], part["x"], rtol=1e-15)
                np.testing.assert_allclose(drawn["y"], part["median"], rtol=1e-15)
            assert axes(opened)["xtitle"] == curves.clock_label(node.to_dataset(), clock)
        assert name in opened.inner_text("#curves-caption")
    bands = [trace for trace in traces(opened, "curves") if trace["meta"] == "band"]
    assert len(bands) == len(small_tree["step"]["integrator"])


def test_single_seeds_and_all_of_them(visit: Any, small_page: Path, small_tree: xr.DataTree) -> None:
    opened = visit(small_page)
    group = small_tree["sine"].to_dataset()
    show(opened, seeds="7")
    one = group.sel(integrator="gd[step 0.05]", seed=7)
    drawn = named(opened, "curves", "gd[step 0.05]")
    np.testing.assert_allclose(drawn["y"], one["risk"].values[1:], rtol=1e-6)
    np.testing.assert_allclose(drawn["x"], one["flow_time"].values[1:], rtol=1e-6)
    assert not [trace for trace in traces(opened, "curves") if trace["meta"] == "band"]
    show(opened, seeds="all")
    drawn = named(opened, "curves", "gd[step 0.05]")
    assert drawn["y"].count(None) == 18
    assert len(drawn["y"]) == 18 * (4 + 1)


def test_early_ends_are_marked_and_counted(visit: Any, small_page: Path, small_tree: xr.DataTree) -> None:
    opened = visit(small_page)
    assert "gd[step 5] (18/18 diverged)" in opened.inner_text("#curves-figure .methods")
    (marks,) = [trace for trace in traces(opened, "curves") if trace["meta"] == "ended"]
    assert len(marks["x"]) == 18
    risk = small_tree["sine"]["risk"].sel(integrator="gd[step 5]").values
    last = [row[np.isfinite(row)][-1] for row in risk]
    for text, value in zip(marks["hovertext"], last, strict=True):
        assert "diverged" in text
        told = re.search(r"risk ([\d.]+)(?: × 10([⁰-⁹¹²³]+))?<br>", text)
        assert told
        exponent = int((told[2] or "⁰").translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")))
        assert float(told[1]) * 10.0**exponent == pytest.approx(value, rel=6e-3)


def test_quantities_methods_and_axes(visit: Any, small_page: Path, small_tree: xr.DataTree) -> None:
    opened = visit(small_page)
    show(opened, quantity="parameter_norm")
    table = data.curves(small_tree["sine"].to_dataset(), "parameter_norm", "flow_time")
    expected = table[table["method"] == "sgd"]
    np.testing.assert_allclose(named(opened, "curves", "sgd")["y"], expected["median"], rtol=1e-15)
    assert axes(opened)["ytitle"].startswith("norm of the parameters")

    opened.get_by_label("sgd", exact=True).first.uncheck()
    assert "sgd" not in {trace["meta"] for trace in traces(opened, "curves")}
    opened.get_by_label("sgd", exact=True).first.check()
    assert "sgd" in {trace["meta"] for trace in traces(opened, "curves")}

    assert (axes(opened)["xtype"], axes(opened)["ytype"]) == ("log", "log")
    assert min(named(opened, "curves", "sgd")["x"]) > 0
    opened.get_by_label("horizontal").uncheck()
    opened.get_by_label("vertical").uncheck()
    assert (axes(opened)["xtype"], axes(opened)["ytype"]) == ("linear", "linear")
    assert named(opened, "curves", "sgd")["x"][0] == 0
    low, high = axes(opened)["x"]
    assert low <= 0 < 100 <= high


def test_zooming(visit: Any, small_page: Path) -> None:
    opened = visit(small_page)

    def widths() -> tuple[float, float]:
        found = axes(opened)
        return found["x"][1] - found["x"][0], found["y"][1] - found["y"][0]

    whole = widths()
    tools = opened.locator("#curves-figure .tools")
    tools.get_by_label("Zoom in").click()
    np.testing.assert_allclose(widths(), np.multiply(whole, 0.6))
    opened.get_by_label("normalized-gf", exact=True).first.uncheck()  # keeps the view
    np.testing.assert_allclose(widths(), np.multiply(whole, 0.6))
    tools.get_by_label("Zoom out").click()
    np.testing.assert_allclose(widths(), whole)
    opened.get_by_label("normalized-gf", exact=True).first.check()
    box = opened.locator("#curves-plot .nsewdrag").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    opened.mouse.move(x, y)
    opened.mouse.down()
    opened.mouse.move(x + box["width"] / 2, y + box["height"] / 2, steps=5)
    opened.mouse.up()
    opened.wait_for_timeout(400)
    np.testing.assert_allclose(widths(), np.multiply(whole, 0.5), rtol=0.02)
    tools.get_by_text("Whole view").click()
    np.testing.assert_allclose(widths(), whole)


def test_hovering_tells_values(visit: Any, small_page: Path) -> None:
    opened = visit(small_page)
    show(opened, seeds="2")
    for method in ("normalized-gf", "gd[step 0.05]", "gd[step 5]", "gd on M", "sgd"):
        opened.get_by_label(method).first.uncheck()
    drawn = named(opened, "curves", "standard-gf")
    place = opened.evaluate(
        """([x, y]) => { const { xaxis, yaxis } = document.getElementById("curves-plot")._fullLayout;
            const box = document.getElementById("curves-plot").getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.d2p(x), box.y + yaxis._offset + yaxis.d2p(y)]; }""",
        [drawn["x"][1], drawn["y"][1]],
    )
    opened.mouse.move(place[0] - 3, place[1] - 3)
    opened.mouse.move(*place)
    opened.wait_for_selector("#curves-plot .hovertext")
    told = opened.locator("#curves-plot .hovertext").text_content()
    assert "standard-gf" in told
    assert "seed 2" in told
    assert opened.inner_text("#curves-readout").startswith("At flow time 1\n")


def test_reading_by_keys(visit: Any, small_page: Path, small_tree: xr.DataTree) -> None:
    opened = visit(small_page)
    times = small_tree["sine"]["time"].values
    table = data.curves(small_tree["sine"].to_dataset(), "risk", "flow_time")
    opened.focus("#curves-plot")
    for index in (1, 2):
        opened.keyboard.press("ArrowRight")
        told = opened.inner_text("#curves-readout")
        assert f"At flow time {tables.real(times[index])}" in told
        row = table[table["method"] == "standard-gf"].iloc[index - 1]
        assert f"standard-gf: {tables.real(row['median'])} ({tables.real(row['lower'])} to" in told
    marks = named(opened, "curves", "reading")
    assert marks["x"][0] == pytest.approx(times[2])
    whole = axes(opened)
    for key, change in (("+", 0.6), ("-", 1.0), ("Shift+ArrowUp", 1.0)):
        opened.keyboard.press(key)
        now = axes(opened)
        assert now["x"][1] - now["x"][0] == pytest.approx(change * (whole["x"][1] - whole["x"][0]))
    assert axes(opened)["y"][0] > whole["y"][0]
    opened.keyboard.press("0")
    assert axes(opened)["y"] == pytest.approx(whole["y"])
    opened.keyboard.press("End")
    assert "At flow time 100" in opened.inner_text("#curves-readout")


def test_fitted_functions_move_with_time(visit: Any, small_page: Path, small_tree: xr.DataTree) -> None:
    opened = visit(small_page)
    opened.select_option("#functions-problem", "1")
    group = small_tree["step"].to_dataset()
    seed = typical_seed(group)
    assert opened.locator("#functions-seed option:checked").inner_text() == f"seed {seed}, median final risk"
    target = named(opened, "functions", "target")
    np.testing.assert_allclose(target["y"], group["target"].values[:, 0], rtol=1e-6)
    seen = []
    for index in (4, 2, 0):
        opened.locator("#functions-time").fill(str(index))
        assert opened.inner_text("#functions-at") == f"t = {tables.real(float(group['time'][index]))}"
        drawn = named(opened, "functions", "standard-gf")
        x = np.array(drawn["x"])
        expected = realized(group, "standard-gf", seed, index, x[:, None])[:, 0]
        np.testing.assert_allclose(drawn["y"], expected, rtol=1e-5, atol=1e-6)
        state = group.sel(integrator="standard-gf", seed=seed).isel(time=index)
        places = np.sort(-state["bias_1"].values / state["weight_1"].values[:, 0])
        inside = places[(places > 0) & (places < 1)]
        np.testing.assert_allclose(x, [0.0, *inside, 1.0], rtol=1e-5)
        rug = [trace for trace in traces(opened, "functions") if trace["meta"] == "rug"]
        np.testing.assert_allclose(rug[0]["x"], inside, rtol=1e-5)
        assert f"{len(inside)} of 4 neurons switch inside" in opened.inner_text("#functions-readout")
        seen.append(drawn["y"])
    assert seen[0] != seen[1] != seen[2]
    opened.select_option("#functions-seed", index=3)
    assert named(opened, "functions", "standard-gf")["y"] != seen[2]
    opened.locator("#functions-figure").get_by_label("sgd", exact=True).uncheck()
    assert "sgd" not in {trace["meta"] for trace in traces(opened, "functions")}
    opened.locator("#functions-time").fill("4")
    assert "gd[step 5]: diverged" in opened.inner_text("#functions-readout")


def test_playing(visit: Any, small_page: Path) -> None:
    opened = visit(small_page)
    button = opened.locator("[data-do=play]")
    button.click()
    assert button.inner_text() == "Pause"
    from playwright.sync_api import expect

    expect(opened.locator("#functions-time")).to_have_value("4")
    expect(button).to_have_text("Play")
    assert visit(small_page, reduced_motion="reduce").locator("[data-do=play]").is_hidden()


def test_deep_networks_are_affine_between_what_is_drawn(
    visit: Any, spaces_page: Path, spaces: xr.DataTree
) -> None:
    opened = visit(spaces_page)
    names = [opened.locator("#functions-problem option").nth(k).inner_text() for k in range(4)]
    assert names == [PROBLEMS[k] for k in ("plane", "deep", "points", "field")]
    opened.select_option("#functions-problem", "1")
    group = spaces[PROBLEMS["deep"]].to_dataset()
    drawn = named(opened, "functions", METHODS[0])
    x = np.linspace(0, 1, 301)
    expected = realized(group, METHODS[0], typical_seed(group), -1, x[:, None])[:, 0]
    np.testing.assert_allclose(np.interp(x, drawn["x"], drawn["y"]), expected, rtol=1e-4, atol=1e-5)
    rug = next(trace for trace in traces(opened, "functions") if trace["meta"] == "rug")
    assert any("of layer 2" in text for text in rug["hovertext"])


def test_two_inputs_are_maps_with_lines(visit: Any, spaces_page: Path, spaces: xr.DataTree) -> None:
    opened = visit(spaces_page)
    group = spaces[PROBLEMS["plane"]].to_dataset()
    seed = typical_seed(group)
    for output in (0, 1):
        opened.select_option("#functions-output", str(output))
        maps = [trace for trace in traces(opened, "functions") if trace["type"] == "heatmap"]
        assert [trace["meta"] for trace in maps] == ["target", *METHODS]
        np.testing.assert_allclose(np.array(maps[0]["z"]).T, group["target"].values[..., output], rtol=1e-6)
        for trace in maps[1:]:
            expected = fit_maps.field(group, trace["meta"], seed, -1)[..., output]
            np.testing.assert_allclose(np.array(trace["z"]).T, expected, rtol=1e-4, atol=1e-5)
    lines = next(trace for trace in traces(opened, "functions") if trace["meta"] == "lines")
    ends = np.array([[x, y] for x, y in zip(lines["x"], lines["y"], strict=True) if x is not None])
    expected = zero_lines(group, METHODS[0], seed, -1)
    assert ends.shape == (2 * len(expected), 2)
    ordered = sorted(ends.round(4).tolist())
    np.testing.assert_allclose(ordered, sorted(expected.reshape(-1, 2).round(4).tolist()), atol=2e-4)


def test_points_and_many_inputs(visit: Any, spaces_page: Path, spaces: xr.DataTree) -> None:
    opened = visit(spaces_page)
    opened.select_option("#functions-problem", "2")
    points = named(opened, "functions", "points")
    np.testing.assert_allclose(points["x"], spaces[PROBLEMS["points"]]["sample_x"].values[:, 0], rtol=1e-6)
    opened.select_option("#functions-problem", "3")
    points = named(opened, "functions", "points")
    np.testing.assert_allclose(points["y"], spaces[PROBLEMS["field"]]["sample_x"].values[:, 1], rtol=1e-6)
    told = opened.inner_text("#functions-missing")
    assert told.startswith("cube has 3 inputs: a function of more than two is not drawn here")


def test_hostile_names_are_text(visit: Any, spaces_page: Path) -> None:
    opened = visit(spaces_page)
    for number in range(4):
        opened.select_option("#curves-problem", str(number))
        opened.select_option("#functions-problem", str(number))
        opened.focus("#curves-plot")
        opened.keyboard.press("ArrowRight")
    assert opened.evaluate("window.hacked") is None
    assert opened.title() == f"{HOSTILE}: report of a study"
    assert opened.inner_text("h1") == HOSTILE
    assert opened.locator("img[src=x], b:text-is('gd'), i").count() == 0
    for method in METHODS:
        assert opened.locator("#results td .method").get_by_text(method, exact=True).count() == 5
    titles = opened.evaluate(
        "Array.from(document.querySelectorAll('#functions-plot .annotation-text'), (t) => t.textContent)"
    )
    assert titles == ["target", *METHODS]


def test_every_control_is_reached_by_tab_and_has_a_name(visit: Any, small_page: Path) -> None:
    opened = visit(small_page)
    opened.evaluate("document.querySelectorAll('*').forEach((element, n) => { element.dataset.n = n; })")
    expected = opened.evaluate(
        """Array.from(document.querySelectorAll('select, input, button, a[href], summary, [tabindex="0"]'))
            .flatMap((element) => (element.checkVisibility() ? [element.dataset.n] : []))"""
    )
    assert len(expected) > 40
    reached = []
    for _ in expected:
        opened.keyboard.press("Tab")
        number, outlined, name = opened.evaluate(
            """() => { const e = document.activeElement;
                const by = document.getElementById(e.getAttribute('aria-labelledby'));
                const name = e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent;
                return [e.dataset.n, getComputedStyle(e).outlineStyle, name || by?.textContent]; }"""
        )
        assert outlined != "none"
        assert name.strip()
        reached.append(number)
    assert set(reached) == set(expected)


def test_all_of_it_with_the_keyboard_alone(visit: Any, small_page: Path) -> None:
    opened = visit(small_page)

    def tab_to(identifier: str) -> None:
        for _ in range(120):
            opened.keyboard.press("Tab")
            if opened.evaluate("document.activeElement.id") == identifier:
                return
        raise AssertionError(identifier)

    tab_to("theme")
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.documentElement.dataset.theme") == "dark"
    tab_to("curves-problem")
    opened.keyboard.press("ArrowDown")
    assert "step" in opened.inner_text("#curves-caption")
    tab_to("curves-clock")
    opened.keyboard.press("ArrowDown")
    assert axes(opened)["xtitle"].startswith("gradient evaluations")
    tab_to("curves-seeds")
    opened.keyboard.press("Tab")
    opened.keyboard.press("Space")
    assert "standard-gf" not in {trace["meta"] for trace in traces(opened, "curves")}
    tab_to("functions-time")
    opened.keyboard.press("ArrowLeft")
    assert opened.inner_text("#functions-at") == "t = 10"
    tab_to("functions-plot")
    opened.keyboard.press("Home")
    assert opened.inner_text("#functions-at") == "t = 0"


@pytest.mark.parametrize("which", ["small_page", "spaces_page"])
def test_a_phone_scrolls_in_one_direction(visit: Any, which: str, request: pytest.FixtureRequest) -> None:
    opened = visit(request.getfixturevalue(which), width=360, has_touch=True, is_mobile=True)
    opened.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    for number in range(opened.locator("#functions-problem option").count()):
        opened.select_option("#functions-problem", str(number))
        assert opened.evaluate("document.documentElement.scrollWidth") == 360
        beyond = opened.evaluate(
            """Array.from(document.querySelectorAll('main *')).filter((e) =>
                !e.closest('.scroll, pre, svg, .hidden') && e.checkVisibility()
                && e.getBoundingClientRect().right > 361).map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert beyond == []


def test_dark_and_light(visit: Any, small_page: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        opened = visit(small_page, color_scheme=scheme)
        seen[scheme] = colours(opened)
        for name in ("ink", "soft", "link", "bad"):
            assert contrast(seen[scheme][name], seen[scheme]["paper"]) >= 4.5, (scheme, name)
        assert seen[scheme]["plotted"] == seen[scheme]["ink"]
        opened.locator("#theme").click()
        seen[f"not {scheme}"] = colours(opened)
    assert seen["not light"] == seen["dark"]
    assert seen["not dark"] == seen["light"]
    assert seen["light"]["paper"] != seen["dark"]["paper"]


def colours(opened: Any) -> dict[str, tuple[int, ...]]:
    found = opened.evaluate(
        """() => { const probe = document.body.appendChild(document.createElement('span'));
            const found = Object.fromEntries(['ink', 'soft', 'link', 'bad', 'paper'].map((name) => {
                probe.style.color = `var(--${name})`; return [name, getComputedStyle(probe).color]; }));
            probe.remove();
            return {...found, paper: getComputedStyle(document.documentElement).backgroundColor,
                    plotted: document.getElementById('curves-plot').layout.font.color}; }"""
    )
    return {name: tuple(map(int, re.findall(r"\d+", text)[:3])) for name, text in found.items()}


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The contrast ratio of WCAG 2.2 for two colours."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = [c / 255 for c in colour]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def downloaded(opened: Any, press: Any) -> tuple[str, bytes]:
    with opened.expect_download() as caught:
        press.click()
    return caught.value.suggested_filename, Path(caught.value.path()).read_bytes()


def test_downloads_are_what_they_say(
    visit: Any, small_page: Path, small_tree: xr.DataTree, tmp_path: Path
) -> None:
    opened = visit(small_page)
    name, content = downloaded(opened, opened.locator("#closing-table a.download"))
    assert name == "closing-table.csv"
    assert content.decode() == summary(small_tree).reset_index().to_csv(index=False, lineterminator="\n")
    name, content = downloaded(opened, opened.locator("#figure-risk a.download"))
    (drawn,) = figures.save_all(small_tree, tmp_path, names=["risk"], formats=["svg"])
    assert (name, content) == ("risk.svg", drawn.read_bytes())
    name, content = downloaded(opened, opened.locator("#reproduce a.download"))
    assert name == "study.json"
    assert json.loads(content) == json.loads(small_tree.attrs["study"])
    assert opened.locator("#figures img").count() == opened.locator("#figures a.download").count() > 8


def test_what_is_shown_can_be_saved(visit: Any, small_page: Path, small_tree: xr.DataTree) -> None:
    opened = visit(small_page, color_scheme="dark")
    name, content = downloaded(opened, opened.locator("#curves-figure [data-do=csv]"))
    assert name == "small-sine-risk-flow_time-median.csv".replace("_", "-")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    table = data.curves(small_tree["sine"].to_dataset(), "risk", "flow_time")
    assert [float(row["risk"]) for row in rows] == table["median"].tolist()
    assert [float(row["upper_quartile"]) for row in rows] == table["upper"].tolist()
    assert [row["method"] for row in rows] == table["method"].tolist()
    name, content = downloaded(opened, opened.locator("#functions-figure [data-do=csv]"))
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert {row["flow_time"] for row in rows} == {"100"}
    for figure in ("curves", "functions"):
        name, content = downloaded(opened, opened.locator(f"#{figure}-figure [data-do=svg]"))
        assert name.endswith(".svg")
        assert content.startswith(b"<svg")
        assert b"rgb(255, 255, 255)" in content  # for paper, though the page is dark


def test_copying(visit: Any, spaces_page: Path, spaces: xr.DataTree) -> None:
    opened = visit(spaces_page)
    opened.evaluate(
        """() => Object.defineProperty(navigator, 'clipboard',
            { configurable: true, value: { writeText: async (text) => { window.copied = text; } } })"""
    )
    opened.get_by_text("Copy the study").click()
    from playwright.sync_api import expect

    expect(opened.locator("#said")).to_have_text("Copied")
    assert opened.evaluate("window.copied") == spaces.attrs["study_source"]
    # Where there is no clipboard the text is selected, for the reader's own keys.
    opened.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    opened.get_by_text("Copy the commands").click()
    expect(opened.get_by_text("Copied", exact=True).nth(1)).to_be_visible()
    assert opened.evaluate("getSelection().toString()").startswith("gfcompare run ")


def test_the_rest_is_there_without_scripts(visit: Any, small_page: Path) -> None:
    opened = visit(small_page, java_script_enabled=False)
    assert opened.locator("#results td").count() > 20
    assert opened.locator("#figures img").first.is_visible()
    assert opened.locator("noscript").is_visible()
    assert opened.locator("#curves-figure").is_hidden()


def test_nothing_else_runs_and_nothing_is_requested(browser: Any, small_page: Path) -> None:
    opened = browser.new_page()
    opened.goto(small_page.as_uri())
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        sent = opened.evaluate(
            """async (address) => {
                const script = document.createElement('script');
                script.textContent = 'window.hacked = 1';
                document.body.append(script, Object.assign(new Image(), { src: address }));
                const options = { signal: AbortSignal.timeout(2000) };
                return fetch(address, options).then(() => 'sent', (error) => error.name); }""",
            address,
        )
        assert sent == "TypeError"
        assert opened.evaluate("window.hacked") is None
        server.settimeout(0.3)
        with pytest.raises(TimeoutError):
            server.accept()
    opened.close()


def test_checks_and_statistics_are_shown(visit: Any, small_page: Path) -> None:
    opened = visit(small_page)
    assert opened.inner_text("#theory .verdict").endswith("2 checks passed, 1 failed, 1 do not apply.")
    assert opened.locator("#theory-checks td.bad").all_inner_texts() == ["1"]
    details = opened.locator("#theory details", has_text="Failures and nearest to failing")
    assert details.locator("table").is_hidden()
    details.locator("summary").click()
    assert details.locator("td.bad").all_inner_texts() == ["fail"]
    assert "Medians <with> intervals" in opened.inner_text("#statistics .caption")
    assert opened.locator("#statistics td").all_inner_texts() == ["sgd", "0.25"]
