"""The data of the interactive figures of a page, within a number of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from gfcompare.figures import data, theme
from gfcompare.figures.theme import LineStyle
from gfcompare.report import states
from gfcompare.report.curves import curves, curves_size, endings, quantities
from gfcompare.report.packing import packed
from gfcompare.report.selection import MOST_SEEDS, ranked_seeds, seed_labels

# How the bytes are shared: functions get at least this part of what is left when every median is in.
_FUNCTIONS = 0.5

_CHOSEN = "by the ranks of the first method's final risks: the median, the extremes, then evenly between"


@dataclass(frozen=True)
class Interactive:
    """Data of the interactive figures.

    Attributes
    ----------
    payload : plain data, as the page's script expects it
    curve_remarks, function_remarks : what was left out of the figures, a sentence each
    """

    payload: dict[str, Any] = field(default_factory=dict)
    curve_remarks: Sequence[str] = ()
    function_remarks: Sequence[str] = ()


def interactive(tree: xr.DataTree, room: int) -> Interactive:
    """Return the data of the interactive figures.

    Medians and quartiles are always over all seeds. Of single seeds as many are kept as fit, those that
    stand for the others first; if not even one does, variables other than the risk are left out.

    Parameters
    ----------
    tree : the result
    room : about how many bytes it may take in the page
    """
    view = data.view(tree)
    groups = view.groups
    share = room // len(groups)
    problems = [_problem(name, group, share) for name, group in groups.items()]
    for problem, group in zip(problems, groups.values(), strict=True):
        problem["methods"] = [view.all_methods.index(str(m)) for m in group["integrator"].values]
    looks = theme.line_styles(view.all_methods)
    return Interactive(
        {
            "title": str(tree.attrs["title"]),
            "methods": [{"name": name, **drawn(look)} for name, look in looks.items()],
            "problems": problems,
        },
        list(_curve_remarks(problems, groups)),
        list(_function_remarks(problems, groups)),
    )


def drawn(look: LineStyle) -> dict[str, Any]:
    """Return how a method is drawn in a page; widths and dashes are in pixels."""
    width = 2.4 if not look.dashes else 1.8
    return {
        "colour": "#" + "".join(f"{round(255 * part):02x}" for part in look.colour),
        "dash": ",".join(f"{round(width * length, 1):g}px" for length in look.dashes) or "solid",
        "width": width,
    }


def _problem(name: str, group: xr.Dataset, room: int) -> dict[str, Any]:
    kept, ranked = quantities(group), ranked_seeds(group)
    while len(kept) > 1 and curves_size(group, kept, 1) > room:
        kept.pop()
    left = max(0, room - curves_size(group, kept, 0))
    each = curves_size(group, kept, 1) - curves_size(group, kept, 0)
    needed = each * min(len(ranked), MOST_SEEDS)
    functions, used = _functions(group, ranked, max(int(_FUNCTIONS * left), left - needed))
    seeds = sorted(ranked[: max(1, min(MOST_SEEDS, (left - used) // each))])
    return {
        "name": name,
        "seed_count": len(ranked),
        "seeds": seeds,
        "seed_labels": seed_labels(group, seeds),
        "times": packed(group["time"].values, "f8"),
        "endings": endings(group, seeds),
        "outcomes": _outcomes(group),
        **curves(group, kept, seeds),
        "functions": functions,
    }


def _functions(group: xr.Dataset, ranked: list[int], room: int) -> tuple[Mapping[str, Any], int]:
    """Return the data of fitted functions, or the reason why there are none, and how many bytes it takes."""
    inputs = group.sizes["input"]
    if states.kind(group) is None:
        return {"reason": f"has {inputs} inputs: a function of more than two is not drawn here"}, 0
    times = states.kept_times(group, room)
    if not times:
        return {"reason": "has too many parameters for this page"}, 0
    each = len(times) * states.bytes_for_one(group)
    seeds = ranked[: max(1, min(MOST_SEEDS, room // each))]
    labels = {"seeds": seeds, "seed_labels": seed_labels(group, seeds), "endings": endings(group, seeds)}
    return states.states(group, seeds, times) | labels, len(seeds) * each


def _outcomes(group: xr.Dataset) -> list[str]:
    """Return for each method what became of trajectories that ended early, such as "3/32 diverged"."""
    methods = tuple(str(m) for m in group["integrator"].values)
    return list(data.outcomes(data.View({"": group}, methods, methods)).values())


def _curve_remarks(problems: Sequence[Mapping[str, Any]], groups: Mapping[str, xr.Dataset]) -> Iterable[str]:
    for problem, group in zip(problems, groups.values(), strict=True):
        kept = {found["key"] for found in problem["quantities"]}
        missing = [name for name in quantities(group) if name not in kept]
        if missing:
            yield f"Left out of {problem['name']} to keep the page small: {', '.join(missing)}."
    listed = [_listed(p["name"], p["seeds"]) for p in problems if len(p["seeds"]) < p["seed_count"]]
    if listed:
        yield (
            "Medians and quartiles are over all seeds. To keep the page small, single seeds are chosen "
            f"{_CHOSEN}. They are {'; '.join(listed)}."
        )


def _function_remarks(
    problems: Sequence[Mapping[str, Any]], groups: Mapping[str, xr.Dataset]
) -> Iterable[str]:
    there = [(p["name"], p["functions"], p["seed_count"]) for p in problems if "theta" in p["functions"]]
    thinned = [
        f"{len(found['times'])} of {groups[name].sizes['time']} save times of {name}"
        for name, found, _ in there
        if len(found["times"]) < groups[name].sizes["time"]
    ]
    if thinned:
        yield f"To keep the page small, it has {', '.join(thinned)}."
    listed = [_listed(name, found["seeds"]) for name, found, count in there if len(found["seeds"]) < count]
    if listed:
        yield f"To keep the page small, seeds are chosen {_CHOSEN}. They are {'; '.join(listed)}."


def _listed(name: str, seeds: Iterable[int]) -> str:
    return f"{', '.join(map(str, sorted(seeds)))} of {name}"
