"""Making the problems and methods of a stored study again, from what its result holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of
from gfcompare.integrators.base import Integrator
from gfcompare.problem import Problem
from gfcompare.results.store import unchecked_problem_of
from gfcompare.study.study import Study
from gfcompare.study.toml import component


class Rebuilt:
    """The problems and methods of a result, or why they cannot be had.

    Parameters
    ----------
    tree : the result
    study : the study that made it, where the result says too little: Python functions and classes
    """

    def __init__(self, tree: xr.DataTree, study: Study | None = None) -> None:
        self._tree = tree
        self._study = study
        self._spec: Mapping[str, Any] = json.loads(tree.attrs.get("study", "{}"))

    def problem(self, name: str) -> tuple[Problem | None, str]:
        """Return a problem, or None and the reason."""
        if self._study is not None:
            found = [spec.problem for spec in self._study.problems if spec.name == name]
            return (found[0], "") if found else (None, f"the study given has no problem {name!r}")
        try:
            problem = unchecked_problem_of(self._tree[name].to_dataset())
        except InputError as error:
            return None, str(error)
        except FOREIGN_ERRORS as error:  # of a target or measure that somebody else wrote
            return None, cause_of(error)
        return problem, ""

    def method(self, name: str) -> tuple[Integrator | None, str]:
        """Return a method, or None and the reason."""
        if self._study is not None:
            found = self._study.integrators.get(name)
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
