"""Options that a study varies in a grid of methods, as numbers: what their names say in text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gfcompare.results.labels import joined, label

#: What the coordinate of an option is called in the result file: ``option_step_size``.
PREFIX = "option_"


@dataclass(frozen=True)
class Sweep:
    """Methods that differ in one option alone.

    Attributes
    ----------
    name : that of the grid, with the other options that differ in it, such as ``gd[normalize true]``
    option : the one that is varied
    methods : names, in the order of the values
    values : ndarray, shape (len(methods),), increasing
    """

    name: str
    option: str
    methods: tuple[str, ...]
    values: NDArray[np.float64]


def sweeps(descriptions: Mapping[str, Mapping[str, Any]]) -> list[Sweep]:
    """Return the sweeps of a study, those of one grid and option together.

    Parameters
    ----------
    descriptions : name and options of each method as plain data, by its name in the study
    """
    grids: dict[tuple[str, str], list[str]] = {}
    for method, options in descriptions.items():
        if method.endswith("]"):  # a single method is no grid
            grids.setdefault((method.partition("[")[0], str(options.get("name"))), []).append(method)
    found = []
    for (base, _), methods in grids.items():
        differing = [key for key in descriptions[methods[0]] if _differs(key, methods, descriptions)]
        for option in differing:
            others = [key for key in differing if key != option]
            found += _sweeps_of(base, option, others, methods, descriptions)
    return found


def _sweeps_of(
    base: str,
    option: str,
    others: Sequence[str],
    methods: Sequence[str],
    descriptions: Mapping[str, Mapping[str, Any]],
) -> list[Sweep]:
    """Return the sweeps of a grid over one option, one for each combination of the others."""
    parts: dict[str, list[tuple[float, str]]] = {}
    for method in methods:
        options = descriptions[method]
        value = number(options.get(option))
        if value is not None:
            rest = ", ".join(label(key, options[key]) for key in others if key in options)
            parts.setdefault(rest, []).append((value, method))
    return [
        Sweep(
            joined(base, (rest,)),
            option,
            tuple(method for _, method in sorted(pairs)),
            np.array([value for value, _ in sorted(pairs)]),
        )
        for rest, pairs in parts.items()
        if len({value for value, _ in pairs}) > 1
    ]


def coordinates(descriptions: Mapping[str, Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Return the varied options of all methods, shape (integrator,), by their names in the result file.

    NaN for a method without such an option, and for a value that is not a number, such as a schedule.
    """
    varied = dict.fromkeys(sweep.option for sweep in sweeps(descriptions))
    return {
        PREFIX + option: np.array(
            [np.nan if (value := number(d.get(option))) is None else value for d in descriptions.values()]
        )
        for option in varied
    }


def number(value: object) -> float | None:
    """Return an option as a number, None if it is none; a truth value is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _differs(key: str, methods: Sequence[str], descriptions: Mapping[str, Mapping[str, Any]]) -> bool:
    return len({json.dumps(descriptions[method].get(key), sort_keys=True) for method in methods}) > 1
