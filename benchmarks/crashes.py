"""A campaign of crashes: python -m benchmarks.crashes [KILLS] [SEED] [COMMAND ...].

A run, a merge, a figure, a verification, a certification and a report are killed: at random moments (SIGKILL
to the parent, to a worker, to the group; SIGTERM, SIGINT, SIGHUP), or at one of their accesses to files; or
they meet a full disk (at one of their writes, or a limit on the size of files), a folder that is read-only,
few file descriptors, little memory, a missing TMPDIR. After each, the same command must complete without
computing a finished cell again, with files that are the same to the bit, and leave no process, no mark and no
temporary file.

Each command is a copy of this program, in which all is loaded: it takes a fraction of a second.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import faulthandler
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import xarray as xr

import gfcompare as gfc
from gfcompare import cli

STUDY = """
name = "crashes"
seeds = 64
[times]
end = 5.0
count = 4
[network]
widths = [1, 3, 1]
[targets.sine]
[integrators.standard-gf]
[integrators.gd]
step_size = [0.05, 0.01]
"""
_PATIENCE = 300.0
#: Each command, what it needs to be there, and how many of a hundred kills are for it.
COMMANDS = {
    "run": (["run", "study.toml", "--output", "out", "--jobs", "2", "--no-figures"], "nothing", 45),
    "merge": (["merge", "study.toml", "--output", "out", "--no-figures"], "cells", 20),
    "plot": (["plot", "out", "--figure", "risk", "--format", "png", "--format", "svg"], "result", 10),
    "verify": (["verify", "out", "--jobs", "2"], "result", 10),
    "certify": (["certify", "out", "--jobs", "2"], "result", 9),
    "report": (["report", "out"], "result", 6),
}
_ACCESSES = ("open", "os.rename", "os.remove", "os.mkdir")
SIGNALS = ("KILL parent", "KILL worker", "KILL group", "TERM", "INT", "HUP")
SHORTAGES = ("limit on files", "read-only folder", "64 file descriptors", "2 GB of memory", "no TMPDIR")


@dataclass(frozen=True)
class Expected:
    """Files of a command that nothing disturbs.

    Attributes
    ----------
    tree : the result
    files : the bytes of the other files, by name; none of those that are never the same
    seconds : wall time of the command
    accesses : how often it opens, renames or removes a file
    writes : how many of these are no opening for reading
    """

    tree: xr.DataTree
    files: dict[str, bytes]
    seconds: float
    accesses: int
    writes: int


# ---------------------------------------------------------------------------------------------------
# Commands in copies of this program
# ---------------------------------------------------------------------------------------------------


def temporary(folder: Path) -> Path:
    """Return where commands in a folder keep temporary files."""
    return folder.parent / "temporary"


def start(folder: Path, arguments: list[str], before: Callable[[], object] = lambda: None) -> int:
    """Start a command in a process group of its own; return its number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code: Any = 70
    try:
        os.setsid()
        os.chdir(folder)
        temporary(folder).mkdir(exist_ok=True)
        temporary(folder).chmod(0o777)  # also for one that is nobody
        os.environ["TMPDIR"], tempfile.tempdir = str(temporary(folder)), None
        said = os.open(_said(folder), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        for number in (1, 2):
            os.dup2(said, number)
        sys.stdout, sys.stderr = (open(fd, "w", buffering=1, closefd=False) for fd in (1, 2))  # noqa: SIM115
        sys.argv = ["gfcompare", *arguments]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        faulthandler.register(signal.SIGUSR1, file=2)
        before()
        cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _said(folder: Path) -> Path:
    """Return the file of what commands in a folder print: not in it, which may be full."""
    return folder.parent / "said"


def text_of(folder: Path) -> str:
    """Return what the last command in a folder has printed."""
    return _said(folder).read_text(encoding="utf-8", errors="replace")


def wait(pid: int) -> int:
    """Return the exit code of a command, negative for a signal."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGUSR1)  # it prints where its threads are
    time.sleep(1.0)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError("a command did not end")


def _group(leader: int) -> list[psutil.Process]:
    """Return the processes of a group."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


# ---------------------------------------------------------------------------------------------------
# What happens to them
# ---------------------------------------------------------------------------------------------------


def _hear_accesses(heard: Callable[[bool], object]) -> None:
    """Let this process call `heard` at each access to a file of the current folder: is something written?"""
    mine, here = os.getpid(), str(Path.cwd())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _ACCESSES or os.getpid() != mine:
            return
        if str(arguments[0]).startswith((here, "out")):
            heard(event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR)))

    sys.addaudithook(hook)


def at_access(number: int, then: Callable[[], object], writing: bool = False) -> None:
    """Let something happen in this process at an access, or at one that writes, counted from 1."""
    count = 0

    def heard(writes: bool) -> None:
        nonlocal count
        count += writes or not writing
        if count == number and (writes or not writing):
            then()

    _hear_accesses(heard)


def disk_is_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _short_of(what: str, rng: random.Random) -> Callable[[], None]:
    """Return what makes something short in the process that calls it."""
    size = int(10 ** rng.uniform(1.0, 6.0))

    def before() -> None:
        if what == "limit on files":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that it is an error of the write
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        if what == "64 file descriptors":
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        if what == "2 GB of memory":
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        if what == "no TMPDIR":
            os.environ["TMPDIR"], tempfile.tempdir = "/nowhere", None
        if what == "read-only folder" and os.geteuid() == 0:  # nobody is kept out as root
            os.setgid(65534)
            os.setuid(65534)

    return before


def disturb(
    folder: Path, command: str, how: str, rng: random.Random, expected: Expected
) -> tuple[str, int, int]:
    """Start a command and disturb it; return what was done, its exit code and its group."""
    arguments = COMMANDS[command][0]
    if how in SIGNALS:
        pid, after = start(folder, arguments), rng.uniform(0.0, 1.1 * expected.seconds)
        time.sleep(after)
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if how == "KILL group":
                os.killpg(pid, signal.SIGKILL)
            elif how == "KILL worker":
                if workers := psutil.Process(pid).children():
                    rng.choice(workers).kill()
            else:
                os.kill(pid, getattr(signal, f"SIG{'KILL' if how == 'KILL parent' else how}"))
        return f"{how} after {after:.2f} s", wait(pid), pid
    if how in ("KILL at", "full disk at"):
        full = how == "full disk at"
        most = expected.writes if full else expected.accesses
        number = rng.randint(1, most)
        then = disk_is_full if full else (lambda: os.kill(os.getpid(), signal.SIGKILL))
        pid = start(folder, arguments, lambda: at_access(number, then, writing=full))
        return f"{how} {'write' if full else 'access'} {number} of {most}", wait(pid), pid
    pid = start(folder, arguments, _short_of(how, rng))
    return how, wait(pid), pid


# ---------------------------------------------------------------------------------------------------
# What must be right then
# ---------------------------------------------------------------------------------------------------


def _identities(folder: Path) -> dict[str, tuple[int, int]]:
    files = (folder / "out" / "cells").glob("*.cell")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def drawn(folder: Path) -> dict[str, bytes]:
    """Return the files that a command has written besides cells and result."""
    paths = [path for path in (folder / "out").rglob("*") if path.suffix in (".png", ".svg", ".html")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def differences(expected: xr.DataTree, tree: xr.DataTree) -> Iterator[str]:
    """Yield which variables of two results are not the same to the bit, besides wall times."""
    for group in expected.children:
        theirs, ours = expected[group].to_dataset(), tree[group].to_dataset()
        if theirs.data_vars.keys() != ours.data_vars.keys():
            yield f"{group} has other variables"
            continue
        for name, variable in theirs.data_vars.items():
            equal_nan = variable.dtype.kind == "f"
            if name != "wall_time" and not np.array_equal(
                variable.values, ours[name].values, equal_nan=equal_nan
            ):
                yield f"{group}/{name} is another one"


def faults(folder: Path, command: str, expected: Expected, leader: int, code: int, how: str) -> list[str]:
    """Give a command that was disturbed again, and return what is wrong then."""
    found = []
    said = text_of(folder)
    if "Traceback" in said:
        found.append(f"a traceback: {said[-600:]}")
    # Where files may have a few bytes only, so may the message.
    if (
        code > 0
        and "limit on files" not in how
        and "error:" not in said
        and "Stopped" not in said
        and "is not drawn" not in said
    ):
        found.append(f"exit code {code} without a message: {said[-300:]}")
    until = time.monotonic() + 30.0
    while (left := _group(leader)) and time.monotonic() < until:
        time.sleep(0.05)
    if left:
        found.append(f"{len(left)} processes are left")
    kept = _identities(folder)
    if code := wait(start(folder, COMMANDS[command][0])):
        return [*found, f"the same command ends with {code}: {text_of(folder)[-600:]}"]
    now = _identities(folder)
    found += [f"cell {name} was computed again" for name, about in kept.items() if now.get(name) != about]
    found += differences(expected.tree, gfc.open_study(folder / "out"))
    files = drawn(folder)
    found += [f"{name} is another one" for name, data in expected.files.items() if files.get(name) != data]
    rest = [path for path in (folder / "out").rglob("*") if path.suffix in (".part", ".running", ".json")]
    rest += temporary(folder).iterdir()
    return found + [f"{path.name} is left" for path in rest]


# ---------------------------------------------------------------------------------------------------
# The campaign
# ---------------------------------------------------------------------------------------------------


def prepare(folder: Path, made: Path, needed: str) -> None:
    """Bring a folder into the state that a command needs."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    if needed == "nothing":
        return
    shutil.copytree(made, folder / "out")
    if needed == "cells":
        (folder / "out" / "result.nc").unlink()


def undisturbed(folder: Path, made: Path, command: str) -> Expected:
    """Give a command twice, the second time to see what it leaves and takes."""
    arguments, needed, _ = COMMANDS[command]
    counted = folder / "accesses"

    def count() -> None:
        seen = [0, 0]

        def heard(writes: bool) -> None:
            seen[0] += 1
            seen[1] += writes
            os.pwrite(out, f"{seen[0]} {seen[1]}".encode(), 0)

        out = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        _hear_accesses(heard)

    prepare(folder, made, needed)
    began = time.monotonic()
    if code := wait(start(folder, arguments)):
        raise RuntimeError(f"{command} ends with {code}: {text_of(folder)[-600:]}")
    seconds, first = time.monotonic() - began, drawn(folder)
    prepare(folder, made, needed)
    wait(start(folder, arguments, count))
    again = drawn(folder)
    files = {name: data for name, data in again.items() if first.get(name) == data}
    accesses, writes = map(int, counted.read_text().split())
    return Expected(gfc.open_study(folder / "out").load(), files, seconds, accesses, writes)


def loaded(folder: Path, commands: list[str]) -> Path:
    """Give each command once here, so that copies have all that it needs; return a finished folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            for command in dict.fromkeys(["run", *commands]):
                with contextlib.suppress(SystemExit):
                    cli.main(COMMANDS[command][0])
                if command == "run":
                    shutil.copytree("out", "made")
    finally:
        os.chdir(before)
    shutil.move(folder / "made", folder.parent / "made")
    return folder.parent / "made"


def main(kills: int = 100, seed: int = 0, commands: list[str] | None = None) -> int:
    """Run the campaign, print what happened, and return how often something was wrong."""
    rng, wrong = random.Random(seed), 0
    chosen = commands or list(COMMANDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "disk"
        folder.mkdir()
        folder.parent.chmod(0o755)
        (folder / "study.toml").write_text(STUDY, encoding="utf-8")
        made = loaded(folder, chosen)
        expected = {command: undisturbed(folder, made, command) for command in chosen}
        for number in range(kills):
            [command] = rng.choices(chosen, [COMMANDS[each][2] for each in chosen])
            ways = (*SIGNALS, "KILL at", "KILL at", "KILL at", "full disk at", "full disk at", *SHORTAGES)
            how = ways[number % len(ways)] if kills >= len(ways) else rng.choice(ways)
            prepare(folder, made, COMMANDS[command][1])
            try:
                what, code, leader = disturb(folder, command, how, rng, expected[command])
            except TimeoutError as error:
                wrong += 1
                print(f"{number + 1} of {kills}: {command}: {how}: {error}:\n{text_of(folder)}", flush=True)
                continue
            found = faults(folder, command, expected[command], leader, code, how)
            wrong += bool(found)
            told = f"{number + 1} of {kills}: {command}: {what}, exit code {code}"
            print(f"{told}: {'; '.join(found) or 'right'}", flush=True)
    print(f"{wrong} of {kills} wrong")
    return wrong


def read_arguments(arguments: Sequence[str]) -> tuple[int, int, list[str]]:
    """Return kills, seed and commands; end with one message and exit code 2 if there is no such command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crashes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    allowed = ", ".join(COMMANDS)
    parser.add_argument("words", nargs="*", metavar="KILLS SEED COMMAND", help=f"commands: {allowed}")
    words: list[str] = parser.parse_args(arguments).words
    numbers = [int(word) for word in words if word.isdecimal()]
    commands = [word for word in words if not word.isdecimal()]
    if unknown := [word for word in commands if word not in COMMANDS]:
        parser.error(f"unknown command {unknown[0]!r}; allowed: {allowed}")
    if len(numbers) > 2:
        parser.error(f"a number of kills and a seed, got {len(numbers)} numbers")
    kills, seed = numbers + [100, 0][len(numbers) :]
    if kills < 1:
        parser.error(f"expected a positive number of kills, got {kills}")
    return kills, seed, commands


if __name__ == "__main__":
    sys.exit(bool(main(*read_arguments(sys.argv[1:]))))
