"""Are the verdicts of `verify` right? python -m benchmarks.verdicts: false alarms, and misses.

Random problems with one hidden layer on an interval, those of the campaign `benchmarks.truth`, each a study
of both flows to t = 10^10. A check that fails on them is a false alarm, unless the campaign finds the
trajectory wrong. The same flows integrated ten times less accurately than they declare are to be caught.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import gfcompare as gfc
from benchmarks import truth

#: How many times looser than declared the flows are that are to be caught.
_LOOSER = 10.0
RTOLS = (1e-4, 1e-6, 1e-8)


@dataclass(frozen=True)
class _Loose(gfc.FlowIntegrator):
    """A flow that does not keep the tolerance it declares."""

    name: ClassVar[str] = "loose"
    follows = "standard"
    compiled_as = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return -problem.gradient(y)

    def start(
        self, problem: gfc.CountedProblem, theta: gfc.Array, rngs: Sequence[np.random.Generator]
    ) -> gfc.State:
        flow = gfc.integrator("standard-gf", rtol=_LOOSER * self.rtol, max_steps=self.max_steps)
        return flow.start(problem, theta, rngs)


@dataclass(frozen=True)
class _LooseOnM(gfc.FlowIntegrator):
    """The same for the normalised flow."""

    name: ClassVar[str] = "loose on M"
    follows = "normalized"
    compiled_as = "normalized"
    on_manifold = True

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        return problem.network.project(y, -problem.gradient(y))

    def start(
        self, problem: gfc.CountedProblem, theta: gfc.Array, rngs: Sequence[np.random.Generator]
    ) -> gfc.State:
        flow = gfc.integrator("normalized-gf", rtol=_LOOSER * self.rtol, max_steps=self.max_steps)
        return flow.start(problem, theta, rngs)


def _study(case: truth.Setting, rtol: float, seeds: int) -> gfc.Study:
    options = {"rtol": rtol, "max_steps": 30_000}
    return gfc.Study(
        "verdicts",
        targets={"t": case.problem.target},
        measure=case.problem.measure,
        network=case.problem.network,
        integrators={
            "standard-gf": gfc.integrator("standard-gf", **options),
            "normalized-gf": gfc.integrator("normalized-gf", **options),
            "loose": _Loose(**options),
            "loose on M": _LooseOnM(**options),
        },
        times=gfc.Times(start=0.1, end=case.end, count=12),
        seeds=seeds,
    )


def verdicts(first: int, studies: int, seeds: int) -> Iterator[Counter[str]]:
    """Yield what is counted, problem after problem."""
    done, number = 0, first
    while done < studies:
        case = truth.setting(number, 1)
        number += 1
        if " line " not in f" {case.label} ":
            continue
        rtol = RTOLS[done % len(RTOLS)]
        done += 1
        study = _study(case, rtol, seeds)
        with tempfile.TemporaryDirectory() as folder:
            tree = study.run(folder, jobs=1, progress=False).load()
            table = gfc.theory.verify(tree, study=study)
            tree.close()
        counts: Counter[str] = Counter()
        failed = table[table["outcome"] == "fail"]
        for name in ("standard-gf", "normalized-gf"):
            counts["trajectories"] += seeds
            own = failed[failed["integrator"] == name]
            counts["alarms"] += own["seed"].nunique()
            for check, rows in own.groupby("check"):
                worst = rows.loc[(rows["residual"] / rows["tolerance"]).idxmax()]
                where = f"{case.label} {name} rtol {rtol:g} {check}: {len(rows)} of {seeds} seeds"
                print(f"{where}, seed {worst['seed']}: {worst['detail']}", file=sys.stderr, flush=True)
        for name in ("loose", "loose on M"):
            rows = table[(table["integrator"] == name) & (table["check"] == "accuracy")]
            judged = (rows["outcome"] != "does not apply").any()
            counts["loose"] += 1
            counts["loose, judged"] += int(judged)
            caught = (failed["integrator"] == name).any()
            counts["loose, caught"] += int(caught)
            if not caught:
                middle = rows["residual"].median()
                print(f"missed: {case.label} {name} rtol {rtol:g}, {middle:.3g}", file=sys.stderr, flush=True)
        yield counts


def main(arguments: list[str]) -> None:
    """Run the studies and print what is counted."""
    options = truth.numbers(arguments, "python -m benchmarks.verdicts", __doc__, "studies", 32, 32)
    began, total = time.perf_counter(), Counter[str]()
    for counts in verdicts(options.first, options.studies, options.seeds):
        total.update(counts)
    print(f"{options.studies} studies of {options.seeds} seeds, {time.perf_counter() - began:.0f} s")
    for name, count in total.items():
        print(f"{name}: {count}")


if __name__ == "__main__":
    main(sys.argv[1:])
