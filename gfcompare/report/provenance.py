"""The provenance of a run in words: problems, methods, study, environment, commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from gfcompare.network import ReLUNetwork
from gfcompare.report.tables import Table, cell, real, slug
from gfcompare.results.reading import evaluation_text, network_of

# A data set written into a study would otherwise fill the page.
_LONGEST = 300
_WRITTEN = {"python": "Python", "numpy": "NumPy"}


@dataclass(frozen=True)
class Provenance:
    """The section of a page on the provenance of a result.

    Attributes
    ----------
    facts : label and text of what holds for the whole study
    problems : the problems by what they differ in
    methods : the methods and their options
    source : the study file to the letter, or the study as JSON if it was made in Python
    file_name : what to call it; "" if it was made in Python
    commands : what to type to run it again
    environment : label and text
    """

    facts: list[tuple[str, str]]
    problems: Table
    methods: Table
    source: str
    file_name: str
    commands: str
    environment: list[tuple[str, str]]


def provenance(tree: xr.DataTree) -> Provenance:
    """Return what a result says of itself."""
    spec = json.loads(tree.attrs["study"])
    groups = {str(name): node.to_dataset() for name, node in tree.children.items()}
    described_problems = {name: _problem(group) for name, group in groups.items()}
    common, table = _apart(described_problems)
    source = str(tree.attrs["study_source"])
    name = slug(str(tree.attrs["title"]))
    file_name = f"{name}.toml" if source else ""
    return Provenance(
        [*common, *_size(groups, spec)],
        table,
        _methods(groups),
        source or json.dumps(spec, indent=2, ensure_ascii=False),
        file_name,
        _commands(file_name, str(spec["name"])) if source else "",
        _environment(tree.attrs),
    )


def _commands(file_name: str, study: str) -> str:
    return f"gfcompare run {file_name}\ngfcompare report {shlex.quote(f'results/{study}')}"


def described(component: Any) -> str:
    """Return a component in one line, its options as a study file has them: he (scale = 1.0)."""
    if not isinstance(component, Mapping) or "name" not in component:
        return _value(component)
    options = ", ".join(f"{k} = {_value(v)}" for k, v in component.items() if k != "name" and _told(v))
    text = f"{component['name']} ({options})" if options else str(component["name"])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _told(value: Any) -> bool:
    """Return whether an option says anything: None and an empty list stand for what a component chooses."""
    return value is not None and value != []


def _value(value: Any) -> str:
    """Return a value in the notation of TOML."""
    if isinstance(value, Mapping):
        if "name" in value:
            return described(value)
        return "{" + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False)


def _problem(group: xr.Dataset) -> dict[str, str]:
    widths = network_of(group).widths
    text = "-".join(map(str, widths))
    return {
        "target": described(json.loads(group.attrs["target"])),
        "network": f"{text}, {cell(ReLUNetwork(widths).parameter_count)} parameters",
        "input measure": described(json.loads(group.attrs["measure"])),
        "initial network": described(json.loads(group.attrs["initialization"])),
        "evaluation": evaluation_text(group),
    }


def _apart(problems: Mapping[str, Mapping[str, str]]) -> tuple[list[tuple[str, str]], Table]:
    """Return what all problems have in common, and a table of what they differ in: no rows for one."""
    first = next(iter(problems.values()))
    same = [label for label in first if len({problem[label] for problem in problems.values()}) == 1]
    common = [(label, first[label]) for label in same]
    if len(problems) == 1:
        return [("problem", next(iter(problems))), *common], Table("problems", "", [], [], [])
    differing = [label for label in first if label not in same]
    rows = [[name, *(problem[label] for label in differing)] for name, problem in problems.items()]
    head = ["problem", *differing]
    return common, Table("problems", "Problems.", head, rows, [False] * len(head))


def _size(groups: Mapping[str, xr.Dataset], spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    first = next(iter(groups.values()))
    seeds, times = first["seed"].values, first["time"].values
    total = sum(float(np.nansum(group["wall_time"].max("time").values)) for group in groups.values())
    trajectories = sum(group["status"].size for group in groups.values())
    clock = "from 0 " if times[0] == 0 else ""
    positive = times[times > 0]
    span = f"{real(positive[0])} to {real(times[-1])}" if len(positive) else real(times[-1])
    return [
        ("seeds", f"{len(seeds)}, the same initial networks for every method; study seed {spec.get('seed')}"),
        ("save times", f"{len(times)}, {clock and '0 and '}{span} in flow time"),
        ("trajectories", f"{cell(trajectories)}, together {real(total)}\u202fs of one core"),
    ]


def _methods(groups: Mapping[str, xr.Dataset]) -> Table:
    rows: dict[str, list[str]] = {}
    for group in groups.values():
        for name, text, on in zip(
            group["integrator"].values, group["options"].values, group["on_manifold"].values, strict=True
        ):
            options = json.loads(str(text))
            kind = str(options.pop("name", ""))
            told = ", ".join(f"{k} = {_value(v)}" for k, v in options.items() if _told(v))
            rows.setdefault(str(name), [str(name), kind, told, "M" if on else "all parameters"])
    head = ["method", "component", "options", "lives on"]
    return Table("methods", "Methods.", head, list(rows.values()), [False] * 4, methods=0)


def _environment(attributes: Mapping[Any, Any]) -> list[tuple[str, str]]:
    found = [
        ("gfcompare", str(attributes["gfcompare_version"])),
        *((_WRITTEN.get(k, k), str(v)) for k, v in json.loads(attributes["environment"]).items()),
        ("schema of the result", str(attributes["schema_version"])),
        ("result made", str(attributes["created"])),
    ]
    supplied: dict[str, list[str]] = {}
    for plugin in json.loads(attributes["plugins"]):
        supplied.setdefault(f"{plugin['distribution']} {plugin['version']}", []).append(str(plugin["name"]))
    return [*found, *((f"plugins of {source}", ", ".join(names)) for source, names in supplied.items())]
