"""A campaign of crashes: python -m benchmarks.crashes [KILLS] [SEED].

A run is killed at random moments (SIGKILL to the parent, to a worker, to the group; SIGTERM, SIGINT, SIGHUP),
meets a full disk (a limit on the size of files), few file descriptors, a missing TMPDIR. After each, the same
command must complete without computing a finished cell again, with a result that is the same to the bit, and
leave no process and no mark.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import xarray as xr

import gfcompare as gfc

STUDY = """
name = "crashes"
seeds = 64
[times]
end = 20.0
count = 5
[network]
widths = [1, 4, 1]
[targets.sine]
[targets.step]
[integrators.standard-gf]
[integrators.gd]
step_size = [0.05, 0.001]
"""
_COMMAND = [sys.executable, "-m", "gfcompare.cli"]
_PATIENCE = 600.0


def _run(
    folder: Path, *, before: Callable[[], None] | None = None, **environment: str
) -> subprocess.Popen[str]:
    """Start the run, in a process group of its own."""
    command = [*_COMMAND, "run", "study.toml", "--output", "out", "--jobs", "2", "--no-figures"]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=before,
        env={**os.environ, **environment},
    )


def _group(leader: int) -> list[psutil.Process]:
    """Return the processes of a group."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _identities(folder: Path) -> dict[str, tuple[int, int]]:
    files = (folder / "out" / "cells").glob("*.cell")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def kill(folder: Path, rng: random.Random, longest: float) -> tuple[str, int]:
    """Start a run and end it at a random moment; return how, and its group."""
    process = _run(folder)
    how = rng.choice(("KILL parent", "KILL worker", "KILL group", "TERM", "INT", "HUP"))
    time.sleep(rng.uniform(0.0, longest))
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        if how == "KILL group":
            os.killpg(process.pid, signal.SIGKILL)
        elif how == "KILL worker":
            if workers := psutil.Process(process.pid).children():
                rng.choice(workers).kill()
        else:
            name = "KILL" if how == "KILL parent" else how
            process.send_signal(getattr(signal, f"SIG{name}"))
    process.communicate(timeout=_PATIENCE)
    return f"{how}, exit code {process.returncode}", process.pid


def limited(folder: Path, rng: random.Random) -> tuple[str, int]:
    """Run where something is short; return what, and its group."""
    what = rng.choice(("files of 20 kB", "48 file descriptors", "no TMPDIR"))

    def before() -> None:
        if what == "files of 20 kB":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that it is an error of the write
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        if what == "48 file descriptors":
            resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))

    more = {"TMPDIR": "/nowhere"} if what == "no TMPDIR" else {}
    process = _run(folder, before=before, **more)
    _, err = process.communicate(timeout=_PATIENCE)
    said = f": a traceback: {err[-300:]}" if "Traceback" in err else ""
    return f"{what}, exit code {process.returncode}{said}", process.pid


def faults(folder: Path, kept: dict[str, tuple[int, int]], expected: xr.DataTree, leader: int) -> list[str]:
    """Run to the end, and return what is wrong then."""
    found = []
    until = time.monotonic() + 30.0
    while (left := _group(leader)) and time.monotonic() < until:
        time.sleep(0.2)
    if left:
        found.append(f"{len(left)} processes are left")
    process = _run(folder)
    _, err = process.communicate(timeout=_PATIENCE)
    if process.returncode != 0:
        return [*found, f"the same command ends with {process.returncode}: {err[-300:]}"]
    now = _identities(folder)
    found += [f"cell {name} was computed again" for name, about in kept.items() if now.get(name) != about]
    tree = gfc.open_study(folder / "out")
    for group in expected.children:
        for name, variable in expected[group].data_vars.items():
            if name != "wall_time" and not np.array_equal(
                variable.values, tree[group][name].values, equal_nan=variable.dtype.kind == "f"
            ):
                found.append(f"{group}/{name} is another one")
    rest = [path for path in (folder / "out").rglob("*") if path.suffix in (".part", ".running", ".json")]
    # A process that was killed leaves what it was writing to; after a day a run removes it.
    return found + [f"{path.name} is left" for path in rest if path.suffix != ".part"]


def main(kills: int = 100, seed: int = 0) -> int:
    """Run the campaign, print what happened, and return how often something was wrong."""
    rng, wrong = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "study.toml").write_text(STUDY, encoding="utf-8")
        began = time.monotonic()
        process = _run(folder)
        _, err = process.communicate(timeout=_PATIENCE)
        assert process.returncode == 0, err
        longest = time.monotonic() - began
        expected = gfc.open_study(folder / "out")
        for number in range(kills):
            shutil.rmtree(folder / "out")
            what, leader = limited(folder, rng) if number % 4 == 3 else kill(folder, rng, 1.1 * longest)
            found = faults(folder, _identities(folder), expected, leader)
            found += [what] if "traceback" in what else []
            wrong += bool(found)
            print(f"{number + 1} of {kills}: {what}: {'; '.join(found) or 'right'}", flush=True)
    print(f"{wrong} of {kills} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
