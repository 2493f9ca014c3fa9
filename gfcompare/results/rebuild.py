"""Rebuilding the problems and methods of a result from what it holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import xarray as xr

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.hooks.plain_data import component
from gfcompare.integrators.base import Integrator
from gfcompare.measures import Points
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.results.reading import evaluation_of, frozen_of, network_of, parameters
from gfcompare.targets import Labels

# Relative difference of risks that rounding and another version of a library can make.
_SAME_RISK = 1e-6


@dataclass(frozen=True)
class Components:
    """The problems and methods of a study, by name."""

    problems: Mapping[str, Problem]
    methods: Mapping[str, Integrator]


class Rebuilt:
    """The problems and methods of a result, or why they cannot be had.

    Parameters
    ----------
    tree : the result
    given : the components of the study that made it, where the result says too little: Python functions
        and classes
    """

    def __init__(self, tree: xr.DataTree, given: Components | None = None) -> None:
        self._tree = tree
        self._given = given
        self._spec: Mapping[str, Any] = json.loads(tree.attrs.get("study", "{}"))

    def problem(self, name: str) -> tuple[Problem | None, str]:
        """Return a problem, or None and the reason."""
        if self._given is not None:
            known = self._given.problems.get(name)
            return known, "" if known is not None else f"the study given has no problem {name!r}"
        try:
            problem = unchecked_problem_of(self._tree[name].to_dataset())
        except InputError as error:
            return None, str(error)
        except FOREIGN_ERRORS as error:  # of a target or measure that somebody else wrote
            return None, cause_of(error)
        return problem, ""

    def method(self, name: str) -> tuple[Integrator | None, str]:
        """Return a method, or None and the reason."""
        if self._given is not None:
            found = self._given.methods.get(name)
            return found, "" if found else f"the study given has no method {name!r}"
        try:
            method: Integrator = component("integrators", self._spec["integrators"][name], name)
        except KeyError as error:
            return None, f"the result does not say what the method was: no {error}"
        except InputError as error:
            return None, f"{error} If it is of a plugin in a file, load it with --plugin."
        except FOREIGN_ERRORS as error:  # of a method that somebody else wrote
            return None, cause_of(error)
        return method, ""


def problems_of(tree: xr.DataTree) -> dict[str, Problem]:
    """Return every problem of a result by name, as `problem_of` rebuilds it."""
    return {str(name): problem_of(node.to_dataset()) for name, node in tree.children.items()}


def problem_of(group: xr.Dataset) -> Problem:
    """Return a problem of a result, rebuilt from what is stored: to evaluate its risk at other parameters.

    Raises
    ------
    InputError
        if the result does not hold it: its target or its measure is a Python function, comes from a plugin
        that is not there, or does not give the risk that is stored
    """
    name = str(group.attrs.get("problem", ""))
    try:
        problem = unchecked_problem_of(group)
        _check_risk(problem, group)
    except InputError as error:
        raise InputError(f"problem {name!r} cannot be rebuilt from the result: {error}") from None
    except FOREIGN_ERRORS as error:  # of a target or measure that somebody else wrote
        cause = cause_of(error)
        raise InputError(f"problem {name!r} cannot be rebuilt from the result: {cause}") from error
    return problem


def unchecked_problem_of(group: xr.Dataset) -> Problem:
    """Return a problem of a result, rebuilt from what is stored, whatever risk it gives.

    Raises
    ------
    InputError
        if the result does not hold its target or its measure
    Exception
        of a target or measure that somebody else wrote
    """
    network = network_of(group)
    if evaluation_of(group)["kind"] == "points":
        return _on_points(group, network)
    return _described(
        network, *(str(group.attrs.get(key, "{}")) for key in ("target", "measure", "evaluation"))
    )


def _on_points(group: xr.Dataset, network: ReLUNetwork) -> Problem:
    """Return a problem on finitely many points: these and the values to be learnt are stored whole."""
    frozen = frozen_of(group)
    test = [group[f"test_{key}"].values if f"test_{key}" in group else None for key in ("x", "target")]
    sample = (group[f"sample_{key}"].values for key in ("x", "weight", "target"))
    return Problem(network, Labels(), Points(*sample, *test), frozen=frozen)


@lru_cache(maxsize=32)
def _described(network: ReLUNetwork, target: str, measure: str, evaluation: str) -> Problem:
    """Return a problem from descriptions of its parts, JSON."""
    how = json.loads(evaluation)
    rule = (
        Quadrature(how.get("nodes"), how.get("coordinate")) if how.get("kind") == "preintegration" else None
    )
    return Problem(
        network,
        component("targets", json.loads(target), "target"),
        component("measures", json.loads(measure), "measure"),
        rule,
        frozen=how.get("frozen", ()),
    )


def _check_risk(problem: Problem, group: xr.Dataset) -> None:
    """Raise InputError unless a problem gives the risk that is stored for the first trajectory's start."""
    start = group.isel(integrator=0, seed=0, time=0)
    stored, found = float(start["risk"]), float(problem.risk(parameters(start)))
    if math.isfinite(stored) and not math.isclose(stored, found, rel_tol=_SAME_RISK, abs_tol=1e-12):
        raise InputError(f"the risk of the first network is {found:.6g}, stored is {stored:.6g}.")
