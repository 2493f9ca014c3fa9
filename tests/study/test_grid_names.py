"""The name of a grid stands for all of it where methods or problems are chosen."""

from __future__ import annotations

import pytest
import xarray as xr

import gfcompare as gfc
from gfcompare.components.errors import known_names
from gfcompare.figures import data

NAMES = ["standard-gf", "gd[step 0.05]", "gd[step 5]", "gd on M", "a", "a[b 1]"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("gd", ["gd[step 0.05]", "gd[step 5]"]),
        ("gd[step 5]", ["gd[step 5]"]),
        ("gd on M", ["gd on M"]),
        ("a", ["a"]),  # a method of that name comes before a grid
    ],
)
def test_names(given: str, found: list[str]) -> None:
    assert known_names("method", given, NAMES) == found


def test_the_nearest_name_may_be_that_of_a_grid() -> None:
    with pytest.raises(gfc.InputError, match=r"unknown method 'gdd'. Did you mean 'gd'\?"):
        known_names("method", "gdd", NAMES)


def test_a_figure_of_a_grid(small_tree: xr.DataTree) -> None:
    shown = data.view(small_tree, methods=["gd"])
    assert shown.methods == ("gd[step 0.05]", "gd[step 5]")
    assert data.view(small_tree, methods="gd").methods == shown.methods
    drawn = gfc.figures.risk(small_tree, methods=["gd", "sgd"])
    legend, (lines,) = [t.get_text() for part in drawn.legends for t in part.get_texts()], drawn.axes[:1]
    assert any(label.startswith("gd[step 5]") for label in legend)
    assert len(lines.get_lines()) >= 3
