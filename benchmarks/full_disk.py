"""A disk that is full at every write: python -m benchmarks full-disk [COMMAND ...] [--most N].

A run, a merge, a figure, a verification, a certification and a report each have a disk of their own, in
memory (tmpfs, mounted where nobody else sees it: Linux, with `unshare`). It has room for 0, 1, 2, ... pages
more than there are, until it is enough; likewise for so many files; every access that writes is refused once;
and files may not be larger than a size that grows. After each, as in `benchmarks.crashes`: an exit code of 1
or 2 with a message and no traceback, or all that was to be made; and the same command completes, to the bit,
computes no finished cell again, and leaves nothing else.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import crashes
from benchmarks.arguments import positive

_PAGE = 4096
_ROOM = (1 << 18, 1 << 14)  # pages and files of a disk that is never full
_SIZES = 40


@dataclass(frozen=True)
class Shortage:
    """One way in which a disk is full.

    Attributes
    ----------
    name : in words
    pages, files : that the disk has room for, besides what is there; None for as many as are wanted
    before : what the process of the command does first
    """

    name: str
    pages: int | None = None
    files: int | None = None
    before: Callable[[], None] = lambda: None


# ---------------------------------------------------------------------------------------------------
# The disk
# ---------------------------------------------------------------------------------------------------


def _mount(disk: Path, pages: int, files: int, *, again: bool = True) -> None:
    size = f"size={pages * _PAGE},nr_inodes={files}" + (",remount" if again else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "gfcompare", str(disk)], check=True)


def _used(disk: Path) -> tuple[int, int]:
    """Return how many pages and files a disk has."""
    about = os.statvfs(disk)
    return (about.f_blocks - about.f_bfree) * about.f_bsize // _PAGE, about.f_files - about.f_ffree


def _limited(size: int) -> Callable[[], None]:
    def before() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that it is an error of the write
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return before


def _refused(number: int) -> Callable[[], None]:
    return lambda: crashes.at_access(number, crashes.disk_is_full, writing=True)


# ---------------------------------------------------------------------------------------------------
# The campaign
# ---------------------------------------------------------------------------------------------------


def _shortages(pages: int, files: int, largest: int, writes: int, most: int) -> Iterator[Iterator[Shortage]]:
    """Yield the ways in which a disk is full, those of a kind together: until one is enough.

    Parameters
    ----------
    pages, files : that the command needs, at least
    largest : bytes of the largest file
    writes : of the command
    most : ways of a kind, at the most; with more to go through some are left out
    """
    step = -(-pages // most)
    yield (Shortage(f"{n} pages", pages=n) for n in itertools.count(0, step))
    yield (Shortage(f"{n} files", files=n) for n in itertools.count(0, -(-files // most)))
    sizes = np.unique(np.geomspace(1, 2 * largest, min(most, _SIZES)).astype(int)).tolist()
    yield (Shortage(f"files of {size} bytes", before=_limited(size)) for size in sizes)
    yield (
        Shortage(f"write {n} refused", before=_refused(n)) for n in range(1, writes + 1, -(-writes // most))
    )


def _wrong(disk: Path, made: Path, command: str, shortage: Shortage, expected: crashes.Expected) -> list[str]:
    """Give a command on a disk that is full; return what is wrong, then or when it is given again."""
    _mount(disk, *_ROOM)
    crashes.prepare(disk, made, crashes.COMMANDS[command][1])
    pages, files = _used(disk)
    _mount(
        disk,
        _ROOM[0] if shortage.pages is None else pages + shortage.pages,
        _ROOM[1] if shortage.files is None else files + shortage.files,
    )
    leader = crashes.start(disk, crashes.COMMANDS[command][0], shortage.before)
    code = crashes.wait(leader)
    found = [] if code in (0, 1, 2) else [f"exit code {code}"]
    if code == 0:
        there = crashes.drawn(disk)
        found += [
            f"{name} is not there" for name in expected.files if there.get(name) != expected.files[name]
        ]
        if not (disk / "out" / "result.nc").exists():
            found.append("exit code 0 without a result")
    said = crashes.text_of(disk)
    _mount(disk, *_ROOM)
    found += crashes.faults(disk, command, expected, leader, code, "limit on files")
    messages = said.count("error:") + said.count("is not drawn")
    if code and messages != 1 and not shortage.name.startswith("files of"):  # where it may not fit either
        found.append(f"not one message: {said[-600:]}")
    print(f"{command}: {shortage.name}, exit code {code}: {'; '.join(found) or 'right'}", flush=True)
    return [*found, *([] if code else ["enough"])]


def _all_of(disk: Path, made: Path, command: str, most: int) -> tuple[int, int]:
    """Give a command on disks that are full in every way; return how many there were, and how many wrong."""
    _mount(disk, *_ROOM)
    expected = crashes.undisturbed(disk, made, command)
    after = _used(disk)
    largest = max(path.stat().st_size for path in (disk / "out").rglob("*") if path.is_file())
    crashes.prepare(disk, made, crashes.COMMANDS[command][1])
    pages, files = (one - two for one, two in zip(after, _used(disk), strict=True))
    count = wrong = 0
    for ways in _shortages(max(pages, 1), max(files, 1), largest, expected.writes, most):
        for shortage in ways:
            found = _wrong(disk, made, command, shortage, expected)
            enough = "enough" in found
            count, wrong = count + 1, wrong + (len(found) > enough)
            needed = (shortage.pages or 0) >= pages and shortage.pages is not None
            needed |= shortage.files is not None and shortage.files >= files
            if enough and needed:
                break
    return count, wrong


def _inside(commands: Sequence[str], most: int) -> int:
    """Run the campaign, in a place where disks can be mounted."""
    count = wrong = 0
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name) / "disk"
        disk.mkdir()
        disk.parent.chmod(0o755)
        _mount(disk, *_ROOM, again=False)
        try:
            (disk / "study.toml").write_text(crashes.STUDY, encoding="utf-8")
            made = crashes.loaded(disk, list(commands))
            shutil.rmtree(disk / "out")
            for command in commands:
                of, bad = _all_of(disk, made, command, most)
                count, wrong = count + of, wrong + bad
                print(f"{command}: {bad} of {of} wrong", flush=True)
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
    print(f"{wrong} of {count} wrong")
    return wrong


def main(arguments: Sequence[str]) -> None:
    """Run the campaign, print what happened, and end with 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks full-disk", description=__doc__)
    parser.add_argument("commands", nargs="*", metavar="command", help=", ".join(crashes.COMMANDS))
    parser.add_argument(
        "--most", type=positive(int), default=400, help="ways of a kind; more are left out evenly"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    commands = options.commands or list(crashes.COMMANDS)
    if unknown := [each for each in commands if each not in crashes.COMMANDS]:
        parser.error(f"unknown command {unknown[0]!r}; allowed: {', '.join(crashes.COMMANDS)}")
    if options.inside:
        sys.exit(bool(_inside(commands, options.most)))
    if shutil.which("unshare") is None:
        parser.error("disks are mounted where nobody else sees them: needs `unshare`, which Linux has")
    alone = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    program = [sys.executable, "-m", "benchmarks.full_disk", "--inside", "--most", str(options.most)]
    sys.exit(subprocess.run(["unshare", "--mount", *alone, *program, *commands], check=False).returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
