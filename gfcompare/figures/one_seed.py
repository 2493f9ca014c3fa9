"""The figures of one seed: which parts they have, for problems of one, two or more inputs."""

from __future__ import annotations

from collections.abc import Sequence

from gfcompare.figures import functions, layout, planes, scatter, single, style
from gfcompare.figures.data import View
from gfcompare.figures.layout import Page


def draw_fit(view: View, *, seed: int | None, times: Sequence[float]) -> Page:
    """Return the figure: functions of one input, maps of rectangles and values at points."""
    choice = single.choose(view, seed, times)
    legend = layout.Legend()
    sections = []
    curves = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 1)
    maps = choice.part(name for name, group in choice.groups.items() if "x_1" in group.variables)
    others = choice.part(name for name in choice.groups if name not in {*curves.groups, *maps.groups})
    with style.context():
        if curves.groups:
            sections.append(functions.fit_section(curves, legend))
        if maps.groups:
            sections.append(planes.fit_section(maps))
        if others.groups:
            sections.append(scatter.fit_section(others, legend))
        return layout.stack(sections, legend)


def draw_breakpoints(view: View, *, seed: int | None) -> Page:
    """Return the figure: breakpoints against flow time, and lines in the plane."""
    choice = single.choose(view, seed)
    legend = layout.Legend()
    sections = []
    line = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 1)
    plane = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 2)
    with style.context():
        if line.groups:
            sections.append(functions.breakpoint_section(line, legend))
        if plane.groups:
            sections.append(planes.breakpoint_section(plane, legend))
        return layout.stack(sections, legend)
