"""The figures that `gfcompare plot` draws, as images inside a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from gfcompare.figures.base import Figure
from gfcompare.figures.saving import save_one
from gfcompare.hooks.registry import registry
from gfcompare.report.packing import data_uri
from gfcompare.system.writing import temporary_folder

# A larger SVG has thousands of marks: as PNG it is smaller and is shown at once.
_LARGEST_SVG = 400_000
#: How many bytes all images together may take in a page.
MOST_BYTES = 2_800_000
_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A figure in a page.

    Attributes
    ----------
    name, title : of the figure
    file_name : what to call a download
    address : the image itself, a data URI
    """

    name: str
    title: str
    file_name: str
    address: str


def pictures(tree: xr.DataTree, log: Callable[[str], None]) -> tuple[list[Picture], list[str]]:
    """Draw every registered figure that is drawn without being asked for.

    Parameters
    ----------
    tree : the result
    log : receives what is being drawn, a line each

    Returns
    -------
    list of Picture, list of str
        the figures, as SVG or, where that is large, as PNG; and which are not there and why
    """
    found: list[Picture] = []
    missing: list[str] = []
    room = MOST_BYTES
    every = [cls for cls in registry().all("figures") if cls.by_default]
    with temporary_folder() as folder:
        for number, cls in enumerate(every, start=1):
            log(f"figure {number} of {len(every)}: {cls.name}")
            said: list[str] = []
            path = _drawn(tree, cls, folder, said)
            if path is None:
                missing += [line.replace("skipped: ", "") for line in said] or [
                    f"{cls.name}: could not be drawn"
                ]
                continue
            address = data_uri(path.read_bytes(), _TYPES[path.suffix[1:]])
            if len(address) > room:
                missing.append(f"{cls.name}: left out to keep the page small; gfcompare plot draws it")
                continue
            room -= len(address)
            found.append(Picture(cls.name, cls.title, path.name, address))
    return found, missing


def _drawn(tree: xr.DataTree, cls: type[Figure], folder: Path, said: list[str]) -> Path | None:
    """Draw one figure and return the smaller file, None if there is nothing to draw."""
    written = save_one(cls(), tree, folder, ["svg", "png"], said.append, _is_small)
    return min(written, key=lambda path: path.stat().st_size, default=None)


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= _LARGEST_SVG
