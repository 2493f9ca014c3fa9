"""Drawing every registered figure of a result into files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of, unknown_name
from gfcompare.figures.base import Animation, Figure, NothingToDraw
from gfcompare.system.paths import user_path

if TYPE_CHECKING:
    import matplotlib.animation
    import xarray as xr

#: Formats of figures that stand still, and every format.
FORMATS = ("png", "pdf", "svg")
ALL_FORMATS = (*FORMATS, *Animation.formats)

# No dates: the same result gives the same files, byte for byte.
_METADATA: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


class FigureWarning(UserWarning):
    """A figure could not be drawn; its name and the cause are given."""


def save_all(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    names: Sequence[str] | None = None,
    formats: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    log: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw the figures of a result and write each in every format.

    A figure that fails is a `FigureWarning` that names it; one that applies to no problem, or has nothing
    to show, is a note. Neither keeps the others from being written.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    folder : where the files <name>.<format> are written, each in one atomic step
    names : names of figures; if None all registered ones but those that are drawn only if asked for
    formats : some of "png", "pdf", "svg", and "gif", "mp4" for animations; if None all that a figure has
    options : of the figures, such as ``{"size": "column", "seed": 3}``; each figure takes those it has
    log : receives what was written, skipped and not drawn, a line each

    Returns
    -------
    list of Path
        the files written

    Raises
    ------
    InputError
        for an unknown name of a figure, a format or an option, before anything is drawn

    Examples
    --------
    >>> import gfcompare as gfc
    >>> tree = gfc.open_study("results/quickstart")
    >>> paths = gfc.figures.save_all(tree, "figures", names=["risk", "final_risk"], formats=["png"])
    >>> [path.name for path in paths]
    ['risk.png', 'final_risk.png']
    """
    from gfcompare.hooks.registry import registry
    from gfcompare.results.trees import as_tree

    tree = as_tree(tree)
    known = registry()
    every = known.all("figures")
    wanted = [cls.name for cls in every if cls.by_default] if names is None else list(dict.fromkeys(names))
    chosen = {name: known.get("figures", name) for name in wanted}
    for given in formats or ():
        if given not in ALL_FORMATS:
            raise unknown_name("figure format", given, ALL_FORMATS)
    drawn = [_configured(cls, options or {}) for cls in every if cls.name in chosen]
    _check_options(options or {}, chosen.values())
    target = user_path(folder)
    require(not target.exists() or target.is_dir(), f"{str(folder)!r} exists and is not a folder.")
    log = log or (lambda _: None)
    written: list[Path] = []
    for figure in drawn:
        written += _save(figure, tree, target, formats, log, strict=bool(options))
    return written


def save_one(
    figure: Figure,
    tree: xr.DataTree,
    folder: Path,
    formats: Sequence[str],
    log: Callable[[str], None],
    is_enough: Callable[[Path], bool],
) -> list[Path]:
    """Draw a figure once, and write it in one format after the other until a file is good enough.

    Parameters
    ----------
    figure : the figure
    tree : the result
    folder : where the files are written
    formats : in this order
    log : receives what was written, or why nothing is
    is_enough : tells of a file whether it is

    Returns
    -------
    list of Path
        the files written
    """
    return _save(figure, tree, folder, formats, log, is_enough=is_enough)


def _configured(cls: type[Figure], options: Mapping[str, Any]) -> Figure:
    """Return a figure with those of the options that it has."""
    return cls(**{key: value for key, value in options.items() if key in cls.fields()})


def _check_options(options: Mapping[str, Any], classes: Iterable[type[Figure]]) -> None:
    """Raise InputError for an option that none of some figures has."""
    allowed = sorted({key for cls in classes for key in cls.fields()})
    for key in options:
        if key not in allowed:
            raise unknown_name("option of these figures:", key, allowed)


def _save(
    figure: Figure,
    tree: xr.DataTree,
    folder: Path,
    formats: Sequence[str] | None,
    log: Callable[[str], None],
    *,
    strict: bool = False,
    is_enough: Callable[[Path], bool] = lambda _: False,
) -> list[Path]:
    """Draw one figure and write its files; return those written. If `strict`, options may be at fault."""
    from gfcompare.figures import theme

    written: list[Path] = []
    try:
        forms = figure.formats if formats is None else [form for form in formats if form in figure.formats]
        if not forms:
            raise NothingToDraw(f"it is written as {' or '.join(figure.formats)}")
        if not any(figure.applies(node.to_dataset()) for node in tree.children.values()):
            raise NothingToDraw(f"no problem has {figure.scope}")
        with theme.context():
            if isinstance(figure, Animation):
                _write_moving(figure, tree, folder, forms, written, log)
            else:
                _write_still(figure, tree, folder, forms, written, is_enough)
    except NothingToDraw as reason:
        log(f"{figure.name}: skipped: {reason}")
    except FOREIGN_ERRORS as error:  # one figure, perhaps somebody else's, must not lose the others
        if strict and isinstance(error, InputError):
            raise
        text = f"figure {figure.name!r} is not drawn: {cause_of(error)}"
        warnings.warn(text, FigureWarning, stacklevel=3)
        log(f"{figure.name}: not drawn")
    for path in written:
        log(f"{figure.name}: {path}")
    return written


def _write_still(
    figure: Figure,
    tree: xr.DataTree,
    folder: Path,
    forms: Sequence[str],
    written: list[Path],
    is_enough: Callable[[Path], bool],
) -> None:
    import matplotlib.figure

    drawn: Any = None
    try:
        drawn = figure.draw(tree)
        if not isinstance(drawn, matplotlib.figure.Figure):
            raise TypeError(f"draw must return a matplotlib figure, got {type(drawn).__name__}")
        for form in forms:
            path = folder / f"{figure.name}.{form}"
            write(drawn, path, form, figure.title)
            written.append(path)
            if is_enough(path):
                break
    finally:
        _close(drawn)


def _write_moving(
    figure: Animation,
    tree: xr.DataTree,
    folder: Path,
    forms: Sequence[str],
    written: list[Path],
    log: Callable[[str], None],
) -> None:
    from gfcompare.system.writing import write_whole

    for form in forms:
        if not available(form):
            log(f"{figure.name}.{form}: skipped: the program ffmpeg is not there")
            continue
        content = encoded(figure.animate(tree), form, figure.rate, figure.dpi)
        path = folder / f"{figure.name}.{form}"
        write_whole(path, lambda temporary, content=content: temporary.write_bytes(content))  # type: ignore[misc]
        written.append(path)


def write(figure: Any, path: Path, form: str, title: str) -> None:
    """Write a figure into a file in one atomic step, with a title and no date."""
    from gfcompare.system.writing import write_whole

    metadata = {"Title": title} | _METADATA.get(form, {})
    write_whole(path, lambda temporary: figure.savefig(temporary, format=form, metadata=metadata))


def encoded(animation: matplotlib.animation.Animation, form: str, rate: int, dpi: int) -> bytes:
    """Return an animation as "gif" or "mp4"."""
    from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter

    from gfcompare.figures import theme
    from gfcompare.system.writing import temporary_folder

    writer: AbstractMovieWriter = PillowWriter(fps=rate) if form == "gif" else FFMpegWriter(fps=rate)
    with temporary_folder() as folder, theme.context():
        path = folder / f"animation.{form}"  # the writers go by the ending
        animation.save(path, writer=writer, dpi=dpi)
        return path.read_bytes()


def available(form: str) -> bool:
    """Return whether a format can be written: MP4 needs the program ffmpeg."""
    from matplotlib.animation import FFMpegWriter

    return form == "gif" or bool(FFMpegWriter.isAvailable())


def _close(figure: Any) -> None:
    """Forget a figure that a plugin made with pyplot, which would keep it for ever."""
    from matplotlib import pyplot as plt

    if figure is not None:
        plt.close(figure)
