"""Cost of a cell besides its trajectories: python -m benchmarks cells [--seeds N ...] [--figure].

Cells of a millisecond (1-2-1, ten steps of descent; 10 targets, 16 step sizes, blocks of 16 seeds) are run in
one process, in two workers and on a local cluster of two, each in a program of its own. Overhead is the
processor time of all processes, without the cells' own, for each cell: on a machine that does something else
as well, wall times say nothing. Besides: the peak of the memory of the run, the merge, the same run again
when all is finished, and `gfcompare info` on the result.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from benchmarks import store
from benchmarks.arguments import positive
from gfcompare.figures import log_axes, theme

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "cells.png"
FILE = Path(__file__).parent / "results" / "cells.json"
WAYS = ("here", "processes", "dask")
NAMES = {"here": "one process", "processes": "two workers", "dask": "Dask, two workers"}
COLOURS = {"here": "#0072B2", "processes": "#D55E00", "dask": "#009E73"}
#: Numbers of seeds: 160 cells for each block of 16. With 10,000 there are 100,000 cells.
SEEDS = (16, 112, 1008)

STUDY = """
name = "cells"
seeds = {seeds}
[times]
end = 0.1
count = 2
[network]
widths = [1, 2, 1]
{targets}
[integrators.gd]
step_size = {sizes}
"""


def _study(seeds: int) -> str:
    sizes = [round(0.01 + 0.0005 * k, 6) for k in range(16)]
    targets = (f'[targets.affine_{k}]\nname = "affine"\nslope = {k + 1.0}' for k in range(10))
    return STUDY.format(seeds=seeds, sizes=sizes, targets="\n".join(targets))


# ---------------------------------------------------------------------------------------------------
# In a program of its own
# ---------------------------------------------------------------------------------------------------


def child(way: str, folder: str) -> None:
    """Run the study in a folder in one way, and print what it took as JSON."""
    import gfcompare as gfc
    from gfcompare.study import dispatch, jobs, merging, runner
    from gfcompare.study.executors import here, worker

    took: dict[str, Any] = {"compute": 0.0, "merge": 0.0}
    perform, settle, merge = jobs.perform, dispatch.Dispatch._settle, merging.merge

    def timed(job: jobs.Job, on_error: Any) -> jobs.Done:
        began = time.process_time()
        done = perform(job, on_error)
        return dataclasses.replace(done, seconds=time.process_time() - began)

    def settled(self: dispatch.Dispatch, job: jobs.Job, done: jobs.Done) -> None:
        took["compute"] += done.seconds
        settle(self, job, done)

    def merged(*arguments: Any) -> Any:
        began = time.process_time()
        try:
            return merge(*arguments)
        finally:
            took["merge"] += time.process_time() - began

    here.perform = worker.perform = timed  # copies of this process have it as well
    dispatch.Dispatch._settle = settled  # type: ignore[method-assign]
    merging.merge = merged
    study = gfc.Study.from_toml("study.toml")
    before, began = _processor(), time.perf_counter()
    if way == "dask":
        from gfcompare.study.executors.dask import connected

        with connected("local", 2, lambda text: None) as executor:
            started = time.perf_counter() - began
            began = time.perf_counter()
            runner.run_study(study, folder, manner=runner.Manner(executor=executor))
    else:
        started = 0.0
        runner.run_study(study, folder, jobs=1 if way == "here" else 2)
    took |= {"wall": time.perf_counter() - began, "started": started, "processor": _processor() - before}
    took |= {"cells": len(study.cells()), "memory": _peak()}
    print(json.dumps(took))


def _processor() -> float:
    """Return the processor time of this process and of those that it has waited for."""
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def _peak() -> float:
    """Return the largest memory of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


# ---------------------------------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------------------------------


def _program(command: Sequence[str], folder: Path) -> tuple[str, float, float, float]:
    """Run a program; return what it printed, wall and processor time, and the peak of its memory in bytes."""
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return said, time.perf_counter() - began, usage.ru_utime + usage.ru_stime, 1024.0 * usage.ru_maxrss


def measure(seeds: int, ways: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the study takes with so many seeds, a record for each way."""
    found = []
    command = [sys.executable, "-m", "benchmarks.cells", "--child"]
    compute: float | None = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "study.toml").write_text(_study(seeds), encoding="utf-8")
        (folder / "benchmarks").symlink_to(Path(__file__).parent)
        for way in ways:
            said, *_ = _program([*command, way, way], folder)
            record = {"way": way, "seeds": seeds, **json.loads(said)}
            if way == "here":
                compute = record["compute"]
            if way == "dask" and compute is not None:  # its workers measure wall times
                record["compute"] = compute
            record["overhead"] = (record["processor"] - record["compute"]) / record["cells"]
            record["load"] = os.getloadavg()[0]
            path = folder / way / "result.nc"
            record["bytes"] = path.stat().st_size
            _, _, record["again"], _ = _program([*command, way, way], folder)
            info = [sys.executable, "-m", "gfcompare.cli", "info", way]
            _, wall, processor, memory = _program(info, folder)
            record |= {"info": processor, "info_wall": wall, "info_memory": memory}
            print(_line(record), flush=True)
            found.append(record)
    return found


def _line(record: dict[str, Any]) -> str:
    cells = record["cells"]
    return (
        f"| {NAMES[record['way']]} | {cells:,} | {1e3 * record['compute'] / cells:.2f} | "
        f"{1e3 * record['overhead']:.2f} | {1e3 * record['merge'] / cells:.2f} | {record['wall']:.1f} | "
        f"{record['memory'] / 1e6:.0f} | {record['again']:.1f} | {record['info']:.1f} | "
        f"{record['info_memory'] / 1e6:.0f} |"
    )


# ---------------------------------------------------------------------------------------------------
# The figure
# ---------------------------------------------------------------------------------------------------


def draw(records: Sequence[dict[str, Any]], target: Path = FIGURE) -> None:
    """Draw overhead, memory and the merge against the number of cells."""
    panels: tuple[tuple[str, Callable[[dict[str, Any]], float], float | None], ...] = (
        ("overhead for a cell (ms)", lambda record: 1e3 * record["overhead"], 5.0),
        ("merge for a cell (ms)", lambda record: 1e3 * record["merge"] / record["cells"], None),
        ("peak of memory (MB)", lambda record: record["memory"] / 1e6, None),
    )
    with theme.context():
        figure, axes = plt.subplots(1, 3, figsize=(theme.TEXT_WIDTH, 2.3), layout="constrained")
        for ax, (label, value, bar) in zip(axes, panels, strict=True):
            for number, way in enumerate(WAYS):
                mine = sorted((r for r in records if r["way"] == way), key=lambda record: record["cells"])
                x, y = [record["cells"] for record in mine], [value(record) for record in mine]
                size = 5.5 - 1.5 * number  # a curve below another one is still seen
                ax.plot(x, y, color=COLOURS[way], marker="o", markersize=size, label=NAMES[way])
            if bar is not None:
                ax.axhline(bar, color="0.6", linewidth=0.7, linestyle=(0, (4, 2)))
            log_axes.make(ax, "x", log_axes.limits_around([record["cells"] for record in records]))
            log_axes.make(ax, "y", log_axes.limits_around([value(record) for record in records]))
            ax.set(xlabel="cells", title=label)
        log_axes.make(axes[2], "y", (100.0, 2000.0))
        axes[2].legend(loc="upper right")
        target.parent.mkdir(exist_ok=True)
        figure.savefig(target, dpi=200)
        plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    """Measure, print a table, and draw the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cells", description=__doc__)
    parser.add_argument("--seeds", nargs="*", type=positive(int), default=list(SEEDS))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS)
    parser.add_argument("--figure", action="store_true", help=f"draw {FIGURE.name} from all that is kept")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        child(*options.child)
        return
    kept = json.loads(FILE.read_text(encoding="utf-8"))["results"] if FILE.exists() else []
    print(
        "| where | cells | compute, ms | overhead, ms | merge, ms | wall, s | memory, MB | again, s "
        "| info, s | its memory, MB |"
    )
    print("|" + "---|" * 10)
    for seeds in options.seeds:
        new = measure(seeds, options.ways)
        kept = [r for r in kept if (r["seeds"], r["way"]) not in {(n["seeds"], n["way"]) for n in new}] + new
        FILE.parent.mkdir(exist_ok=True)
        content = {"machine": store.machine(), "results": kept}
        FILE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if options.figure and not kept:
        parser.error("nothing is kept that could be drawn: give numbers of seeds too")
    if options.figure:
        draw(kept)


if __name__ == "__main__":
    main(sys.argv[1:])
