"""The figures of one seed: which parts they have, for problems of one, two or more inputs."""

from __future__ import annotations

from gfcompare.figures import functions, layout, planes, scatter
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Sketch


def fit(choice: Choice) -> Sketch:
    """Return functions of one input, maps of rectangles and values at points."""
    legend = layout.Legend()
    sections = []
    curves = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 1)
    maps = choice.part(name for name, group in choice.groups.items() if "x_1" in group.variables)
    others = choice.part(name for name in choice.groups if name not in {*curves.groups, *maps.groups})
    if curves.groups:
        sections.append(functions.fit_section(curves, legend))
    if maps.groups:
        sections.append(planes.fit_section(maps))
    if others.groups:
        sections.append(scatter.fit_section(others, legend))
    return Sketch(sections, legend)


def breakpoints(choice: Choice) -> Sketch:
    """Return breakpoints against flow time, and lines in the plane."""
    legend = layout.Legend()
    sections = []
    line = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 1)
    plane = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 2)
    if line.groups:
        sections.append(functions.breakpoint_section(line, legend))
    if plane.groups:
        sections.append(planes.breakpoint_section(plane, legend))
    return Sketch(sections, legend)
