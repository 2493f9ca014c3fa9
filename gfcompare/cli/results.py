"""Opening the result that a command is given: also what there is so far of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gfcompare.cli.base import out, plain

if TYPE_CHECKING:
    import xarray as xr


def opened(path: Path, *, so_far: bool = False) -> tuple[xr.DataTree, Path]:
    """Return a result and the path of its file.

    Parameters
    ----------
    path : its file or folder, or a study file, which means results/ under the study's name
    so_far : of a run that is not finished, return what there is, and print how much that is
    """
    from gfcompare.results.opening import UNFINISHED, located, open_study, unfinished_path

    place = place_of(path)
    waiting = unfinished_path(place) if place.is_dir() else place.with_name(UNFINISHED)
    meant = place.name == UNFINISHED or (place.is_dir() and not (place / "result.nc").is_file())
    if so_far and meant and waiting.is_file():
        from gfcompare.study.diagnosing import with_comparisons
        from gfcompare.study.unfinished import open_unfinished

        found = open_unfinished(waiting)
        tree, left_out = with_comparisons(found)
        out.print(f"not finished: {found.finished} of {found.total} cells are there; shown is")
        for line in (*found.shown, *left_out):
            out.print(plain(f"  {line}"))
        return tree, waiting
    file = located(place)
    if so_far and waiting.is_file():
        out.print(plain(f"a later run here is not finished; {waiting} shows what there is of it"))
    return open_study(file), file


def place_of(path: Path) -> Path:
    """Return the result that a path means; of a study file, the folder where its results are by default."""
    from gfcompare.results.opening import is_result

    if is_result(path) or not path.is_file():
        return path
    from gfcompare.study.study import Study

    return Path("results") / Study.from_toml(path).name
