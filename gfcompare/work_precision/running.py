"""Running a work-precision study: every setting, the reference at the flow times reached, the errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from gfcompare.components.component import describe
from gfcompare.hooks.registry import integrator
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.loop import OnError
from gfcompare.study.problem_spec import ProblemSpec
from gfcompare.study.run_progress import Progress, Silent
from gfcompare.study.runner import Outcome, run_study
from gfcompare.study.spec import StudySpec
from gfcompare.study.times import Times
from gfcompare.system.paths import user_path
from gfcompare.system.process_end import warning_of_threads
from gfcompare.system.progress import on_standard_error
from gfcompare.work_precision import contents
from gfcompare.work_precision.contents import FILE, Reference
from gfcompare.work_precision.errors import SAME_TIME, Array, trajectories_of
from gfcompare.work_precision.settings import MethodSweep, method_sweeps

# Relative tolerances of the reference and of the second one, to which it is compared.
_BEST, _LESS = 1e-12, 1e-11

# The flow that a method off M (False) and on M (True) approximates.
_FLOWS = {False: "standard-gf", True: "normalized-gf"}


def run(
    study: StudySpec,
    output: str | Path | None = None,
    *,
    rtol: Sequence[float] = (),
    jobs: int | None = None,
    force: bool = False,
    on_error: OnError = "record",
    progress: bool = True,
) -> Outcome:
    """Run every method of a study over tolerances or step sizes, and measure its errors.

    Flows are integrated at relative tolerances 1e-3, 1e-4, ..., 1e-10, methods with steps at their step
    size times 1, 1/2, ..., 1/32; an option that is a list in the study has the values of that list. The
    reference is the gradient flow from the same initial networks: the standard one, or the normalised one for
    methods on M. It is known at the flow times that each method has reached, so that no error is due to a
    step that ends beside a save time.

    Cells are kept in ``work-precision/`` in the output folder; the same call goes on where a run was stopped.

    Parameters
    ----------
    study : the study
    output : folder for the results; by default results/<name>, as for a run of the study
    rtol : relative tolerances of all flows, instead of those above
    jobs : worker processes; by default one for each core
    force : compute everything, also what is finished
    on_error : "record" an error that a method raises as the outcome of its trajectory, with a warning for
        each method, or "raise" it, as in `gfcompare.Study.run`
    progress : show on standard error how far it is, as in `gfcompare.Study.run`: of the settings, then of
        the reference

    Returns
    -------
    Outcome
        the tree that `read` returns, and the path of its file

    Raises
    ------
    InputError
        if nothing in the study can be varied, or a tolerance is out of range
    """
    with warning_of_threads():
        return run_parts(
            study,
            output,
            rtol=rtol,
            jobs=jobs,
            force=force,
            on_error=on_error,
            shown=on_standard_error if progress else Silent,
        )


def run_parts(
    study: StudySpec,
    output: str | Path | None,
    *,
    rtol: Sequence[float],
    jobs: int | None,
    force: bool,
    on_error: OnError,
    shown: Callable[[], Progress | None],
) -> Outcome:
    """Run a work-precision study as `run` does; `shown` returns what is told of its next part."""
    began = time.perf_counter()
    folder = user_path(output) if output is not None else Path("results") / study.name
    chosen = method_sweeps(study, rtol)
    methods = {
        label: method for sweep in chosen for label, method in zip(sweep.labels, sweep.methods, strict=True)
    }
    kept = folder / "work-precision"
    settings = run_study(
        study.replace(integrators=methods, source=""),  # it is not what a file says
        kept / "settings",
        jobs=jobs,
        force=force,
        on_error=on_error,
        progress=shown(),
    )
    outcomes = [settings]
    groups: dict[str, xr.Dataset] = {}
    for smooth in (True, False):
        problems = [spec for spec in study.problems if spec.problem.smooth is smooth]
        if problems:
            part = kept / ("reference" if smooth else "reference-on-points")
            reference = _reference(study, problems, chosen, settings.tree)
            found = run_study(reference, part, jobs=jobs, force=force, progress=shown())
            outcomes.append(found)
            groups |= {spec.name: _group(spec, chosen, settings.tree, found.tree) for spec in problems}
    path = folder / FILE
    contents.write(path, study, {spec.name: groups[spec.name] for spec in study.problems})
    return Outcome(
        contents.read(path),
        path,
        sum(outcome.computed for outcome in outcomes),
        sum(outcome.reused for outcome in outcomes),
        time.perf_counter() - began,
    )


def _reference(
    study: StudySpec, problems: Sequence[ProblemSpec], chosen: Sequence[MethodSweep], settings: xr.DataTree
) -> StudySpec:
    """Return the study of the reference and the second one at every flow time reached in some problems."""
    reached = [settings[spec.name].to_dataset()["flow_time"].values.ravel() for spec in problems]
    times = distinct(np.concatenate([*reached, study.times.array()]))
    methods: dict[str, Integrator] = {}
    for on in sorted({sweep.on_manifold for sweep in chosen}):
        methods |= dict(zip(_names(on), reference_methods(on, problems[0].problem.smooth), strict=True))
    return study.replace(
        integrators=methods,
        problems=tuple(problems),
        times=Times(values=tuple(times.tolist())),
        time_limit=None,
        source="",
    )


def reference_methods(on_manifold: bool, smooth: bool) -> tuple[Integrator, Integrator]:
    """Return the flow to which methods are compared, and a less accurate one that tells its uncertainty.

    Where the risk is smooth the first is SUNDIALS CVODE and the second, where there is one, compiled code.
    """
    flow = _FLOWS[on_manifold]
    return integrator(flow, method="bdf" if smooth else "auto", rtol=_BEST), integrator(flow, rtol=_LESS)


def _names(on_manifold: bool) -> tuple[str, str]:
    return _FLOWS[on_manifold], f"{_FLOWS[on_manifold]}, less accurate"


def distinct(times: Array) -> Array:
    """Return the different ones among flow times, increasing; of those that are the same, the first."""
    ordered = np.unique(times[np.isfinite(times)])
    return np.asarray(ordered[np.diff(ordered, prepend=-1.0) > SAME_TIME * ordered])


def _group(
    spec: ProblemSpec, chosen: Sequence[MethodSweep], settings: xr.DataTree, references: xr.DataTree
) -> xr.Dataset:
    """Return the group of a problem, with what it was compared to among its attributes."""
    runs, known = settings[spec.name].to_dataset(), references[spec.name].to_dataset()
    kinds = sorted({sweep.on_manifold for sweep in chosen})
    compared = {}
    for on in kinds:
        best, less = (trajectories_of(known, name) for name in _names(on))
        compared[on] = Reference(best, less, known["status"].sel(integrator=_names(on)[0]).values)
    group = contents.problem_group(spec.problem, chosen, runs, compared)
    used = [describe(method) for on in kinds for method in reference_methods(on, spec.problem.smooth)]
    group.attrs["reference"] = json.dumps(used)
    return group
