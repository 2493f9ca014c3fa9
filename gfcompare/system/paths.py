"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from gfcompare.components.errors import InputError


def user_path(path: str | Path) -> Path:
    """Return a path with ``~`` or ``~user`` at its start replaced by the home folder.

    A shell does that only to words that begin with it: not in ``--output=~/results``, not in quotes, and not
    in a file. The path of a folder that is itself named ``~`` must be given in full.

    Raises
    ------
    InputError
        if there is no such home folder
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        start = Path(path).parts[0]
        raise InputError(
            f"{str(path)!r}: the home folder {start} is not known. Write the path in full."
        ) from None
