"""Runs that work in a folder: each says so in a file, and one that would do the same work is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gfcompare.components.errors import InputError
from gfcompare.study.cell_files import CELLS
from gfcompare.study.shards import Shard
from gfcompare.system.process_identity import ProcessIdentity, this_process
from gfcompare.system.threads import OWN

_PATTERN = ".run-*.json"
# Seconds between two signs of life, and without one until a run on another machine counts as ended.
_SIGN, _SILENCE = 15.0, 180.0


@contextmanager
def claimed(output: Path, shard: Shard | None = None) -> Iterator[None]:
    """Claim the cells of a folder, or of a shard of them, while this process computes them.

    A run writes whole files and the same numbers as any other, so two at once would damage nothing: they
    would do all work twice. Shards of one count share a folder.

    Parameters
    ----------
    output : the folder of the results
    shard : which part of the cells is computed, None for all

    Raises
    ------
    InputError
        if another run is there that has not ended
    """
    mine = output / CELLS / f".run-{uuid.uuid4().hex}.json"
    about = {
        **dataclasses.asdict(this_process()),
        "since": time.time(),
        "shard": None if shard is None else str(shard),
    }
    try:
        mine.write_text(json.dumps(about), encoding="utf-8")
    except OSError as error:
        raise InputError(f"output folder {str(output)!r}: {error.strerror or error}.") from None
    ended = threading.Event()
    name = f"{OWN}signs of life"
    sign = threading.Thread(target=_give_signs, args=(mine, ended), name=name, daemon=True)
    try:
        for other in (output / CELLS).glob(_PATTERN):
            if other != mine and (found := _alive(other, mine)) is not None:
                _refuse(output, found, shard)
        sign.start()
        yield
    finally:
        ended.set()
        mine.unlink(missing_ok=True)


def _give_signs(mine: Path, ended: threading.Event) -> None:
    while not ended.wait(_SIGN):
        with suppress(OSError):
            os.utime(mine)


def _alive(other: Path, mine: Path) -> Mapping[str, Any] | None:
    """Return what a run says of itself; None if it has ended, in whatever way."""
    try:
        # By the clock of the file system: machines' own differ.
        silent = mine.stat().st_mtime - other.stat().st_mtime > _SILENCE
        found = json.loads(other.read_text(encoding="utf-8"))
        process = ProcessIdentity.read(found)
        ended = not process.runs if process.is_here else silent
        _ = float(found["since"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):  # of one that was killed while it wrote it
        ended = True
    if ended:
        with suppress(OSError):
            other.unlink()
        return None
    return dict(found)


def _refuse(output: Path, found: Mapping[str, Any], shard: Shard | None) -> None:
    """Raise InputError if a run does what another one does."""
    other = None if found["shard"] is None else Shard.parsed(str(found["shard"]))
    if shard is not None and other is not None and shard.count == other.count and shard != other:
        return
    what = f"shard {other} of the study is" if other is not None else "the study is"
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(found["since"])))
    raise InputError(
        f"output folder {str(output)!r}: {what} computed there by another run (process {found['pid']} on "
        f"{found['host']!s:.80}, since {since}). Wait for it or stop it; choose another folder (--output); "
        "or share the cells out among runs with --shard."
    )
