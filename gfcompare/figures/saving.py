"""Drawing every registered figure of a result into files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gfcompare.components import require
from gfcompare.errors import unknown_name
from gfcompare.figures.base import Figure, NothingToDraw

if TYPE_CHECKING:
    import xarray as xr

FORMATS = ("png", "pdf", "svg")

# No dates: the same result gives the same files, byte for byte.
_METADATA: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


class FigureWarning(UserWarning):
    """A figure could not be drawn; its name and the cause are given."""


def save_all(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    names: Sequence[str] | None = None,
    formats: Sequence[str] = FORMATS,
    tell: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw the figures of a result and write each in every format.

    A figure that fails is a `FigureWarning` that names it; one that applies to no problem, or has nothing
    to show, is a note. Neither keeps the others from being written.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    folder : where the files <name>.<format> are written, each in one atomic step
    names : names of figures; all registered ones if None
    formats : some of "png", "pdf", "svg"
    tell : is told what was written and what was skipped, a line each

    Returns
    -------
    list of Path
        the files written

    Raises
    ------
    InputError
        for an unknown name of a figure or a format, before anything is drawn
    """
    from gfcompare.plugins import registry

    known = registry()
    wanted = known.names("figures") if names is None else list(dict.fromkeys(names))
    for name in wanted:
        known.get("figures", name)
    for given in formats:
        if given not in FORMATS:
            raise unknown_name("figure format", given, FORMATS)
    target = Path(folder)
    require(not target.exists() or target.is_dir(), f"{str(folder)!r} exists and is not a folder.")
    say = tell or (lambda _: None)
    written: list[Path] = []
    for cls in known.all("figures"):
        if cls.name in wanted:
            written += _save(cls, tree, target, formats, say)
    return written


def _save(
    cls: type[Figure], tree: xr.DataTree, folder: Path, formats: Sequence[str], say: Callable[[str], None]
) -> list[Path]:
    """Draw one figure and write its files; return those written."""
    import matplotlib.figure

    from gfcompare.figures import style

    written: list[Path] = []
    figure: Any = None
    try:
        if not any(cls.applies(node.to_dataset()) for node in tree.children.values()):
            raise NothingToDraw(f"no problem has {cls.scope}")
        with style.context():
            figure = cls().draw(tree)
            if not isinstance(figure, matplotlib.figure.Figure):
                raise TypeError(f"draw must return a matplotlib figure, got {type(figure).__name__}")
            for form in formats:
                path = folder / f"{cls.name}.{form}"
                write(figure, path, form, cls.title)
                written.append(path)
    except NothingToDraw as reason:
        say(f"{cls.name}: skipped: {reason}")
    except Exception as error:  # one figure, perhaps somebody else's, must not lose the others
        warnings.warn(
            f"figure {cls.name!r} is not drawn: {type(error).__name__}: {error}", FigureWarning, stacklevel=3
        )
    finally:
        _close(figure)
    for path in written:
        say(f"{cls.name}: {path}")
    return written


def write(figure: Any, path: Path, form: str, title: str) -> None:
    """Write a figure into a file in one atomic step, with a title and no date."""
    from gfcompare.store import write_whole

    metadata = {"Title": title} | _METADATA.get(form, {})
    write_whole(path, lambda temporary: figure.savefig(temporary, format=form, metadata=metadata))


def _close(figure: Any) -> None:
    """Forget a figure that a plugin made with pyplot, which would keep it for ever."""
    from matplotlib import pyplot as plt

    if figure is not None:
        plt.close(figure)
