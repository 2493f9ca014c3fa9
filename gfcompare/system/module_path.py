"""The module search path of worker processes and of single-file plugins.

A file beside the study that is named like a module of Python (random.py, queue.py) must not take its place.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# With it Python does not put the current folder, or that of the script, before its own library.
_SAFE = "PYTHONSAFEPATH"


def library_first(path: Sequence[str]) -> list[str]:
    """Return the folders of a module path with those of Python's own library before all others."""
    folders = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib")}
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    folders |= {str(Path(folder, "lib-dynload")) for folder in folders}
    folders.add(str(Path(sys.base_prefix, "DLLs")))
    own = [entry for entry in path if entry in folders or (entry and Path(entry).name == archive)]
    return own + [entry for entry in path if entry not in own]


@contextmanager
def for_workers() -> Iterator[None]:
    """Let processes that are started meanwhile have this one's module path, without the current folder first.

    What the parent imports from the folder of a script or notebook they find as well, after Python's library.
    """
    path, safe = list(sys.path), os.environ.get(_SAFE)
    sys.path[:] = library_first(path)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        sys.path[:] = path
        if safe is None:
            del os.environ[_SAFE]
        else:
            os.environ[_SAFE] = safe


def in_worker(safe: bool) -> None:
    """Give a worker the setting of its parent: it is that of the programs that a plugin starts.

    Parameters
    ----------
    safe : ``sys.flags.safe_path`` of the parent
    """
    if not safe:
        os.environ.pop(_SAFE, None)


def add_folder(folder: Path) -> None:
    """Let modules be imported from a folder, if they are found nowhere else."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
