"""Long names of grids in figures: they do not overlap, and none is cut."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from support import examples

import gfcompare as gfc
from gfcompare import figures
from gfcompare.figures import theme


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    """Two targets, two widths, two measures; seven methods."""
    steps, betas = (0.01, 0.1), (0.5, 0.9)
    return gfc.Study(
        "grid",
        targets={"sine": gfc.targets.Sine(), "a longer name": gfc.targets.Step()},
        integrators={
            "gd": [gfc.integrator("gd", step_size=s) for s in steps],
            "momentum": [gfc.integrator("momentum", step_size=s, beta=b) for s in steps for b in betas],
            "standard-gf": gfc.integrator("standard-gf"),
        },
        network=[gfc.ReLUNetwork((1, h, 1)) for h in (3, 12)],
        measure=[gfc.measures.Uniform(lower, 1.0) for lower in (0.0, -1.0)],
        times=gfc.Times(start=0.05, end=0.2, count=3),
        seeds=3,
    ).run(tmp_path_factory.mktemp("grid"), jobs=1)


def test_names(grid: xr.DataTree) -> None:
    assert list(grid.children)[:2] == ["sine[1-3-1, lower 0]", "sine[1-3-1, lower -1]"]
    methods = grid["sine[1-3-1, lower 0]"]["integrator"].values.tolist()
    assert methods[:3] == ["gd[step 0.01]", "gd[step 0.1]", "momentum[step 0.01, beta 0.5]"]


@pytest.mark.thorough
@pytest.mark.parametrize("size", [None, "column"])
@pytest.mark.parametrize(
    "name", ["risk", "final_risk", "paired_differences", "fit", "breakpoints", "phase_portrait", "spectrum"]
)
def test_names_do_not_overlap_and_are_not_cut(grid: xr.DataTree, name: str, size: Any) -> None:
    figure: Any = getattr(figures, name)(grid, size=size)
    with theme.context():
        figure.draw_without_rendering()
    page = figure.bbox
    texts = []
    for ax in figure.axes:
        labels = ax.get_yticklabels() if name in ("final_risk", "paired_differences") else []
        found = [ax.title, *labels, *(t for t in ax.texts if t.get_rotation() == 270)]
        texts += [t for t in found if t.get_text() and t.get_visible() and ax.axison]
    boxes = [text.get_window_extent() for text in texts if shows(text)]
    assert len(boxes) >= 4
    for box in boxes:
        assert page.x0 - 2 <= box.x0, box
        assert box.x1 <= page.x1 + 2, box
        assert page.y0 - 2 <= box.y0, box
        assert box.y1 <= page.y1 + 2, box
    for a, b in itertools.combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        up = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(across, up) <= 3, (a, b)  # pixels of 300 to the inch; letters have room around them


def shows(text: Text) -> bool:
    """Return whether a label is drawn: those of inner panels that share an axis are not."""
    axis = getattr(text.axes, "yaxis", None)
    tick = axis is not None and text in [t.label1 for t in axis.get_major_ticks()]
    return not tick or bool(axis.get_tick_params().get("labelleft", True))


@examples(200)
@given(
    st.text("abc-_ ", min_size=1, max_size=30).map(str.strip).filter(bool),
    st.lists(st.text("abc 0.1", min_size=1, max_size=20).map(str.strip).filter(bool), max_size=4),
    st.integers(5, 40),
)
def test_wrapped_names_keep_their_letters(start: str, options: list[str], width: int) -> None:
    name = f"{start}[{', '.join(options)}]" if options else start
    text = theme.wrapped(name, width)
    assert "".join(text.split()) == "".join(name.split())
    assert max(map(len, text.split("\n"))) <= width


def test_names_are_broken_between_options() -> None:
    assert theme.wrapped("sine[1-4-1, lower 0]", 16) == "sine\n[1-4-1, lower 0]"
    assert theme.wrapped("sine[1-16-1, lower -1]", 16) == "sine\n[1-16-1,\nlower -1]"
    assert theme.wrapped("gd[step 0.1]", 16) == "gd[step 0.1]"
