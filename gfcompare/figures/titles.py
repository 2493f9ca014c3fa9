"""Titles of rows and labels of axes of figures of one trajectory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import xarray as xr

from gfcompare.figures import theme

#: More outputs would make a figure longer than a page; the label says how many there are.
OUTPUTS = 3


def flow_time_label(groups: Mapping[str, xr.Dataset]) -> str:
    """Return the label of an axis of flow time, with its unit."""
    units = next(iter(groups.values()))["flow_time"].attrs.get("units", "")
    return theme.label("flow time", str(units))


def row_title(
    name: str, seed: int, group: xr.Dataset, output: int | None, more: str = "", *, width: int = 20
) -> str:
    """Return what stands at the right of a row of panels: problem, output if there are several, seed."""
    count = group.sizes["output"]
    which = "" if output is None or count == 1 else f"\noutput {output + 1} of {count}"
    return f"{theme.wrapped(name, width)}{which}\nseed {seed}{more}"


def value_label(text: str, groups: Iterable[xr.Dataset], width: int = 200) -> str:
    """Return the label of an axis of outputs, with the unit, in lines of at most `width` characters."""
    names = ("target", "sample_target")
    found = {str(g[name].attrs.get("units", "")) for g in groups for name in names if name in g.variables}
    return theme.label(text, found.pop() if len(found) == 1 else "", width=width)
