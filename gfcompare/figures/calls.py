"""What every function that draws a figure can be told."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from gfcompare.figures.base import Band, Selection, Size

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import xarray as xr


class Shown(TypedDict, total=False):
    """What every figure can be told; the docstring of the module says what it means."""

    problems: Sequence[str]
    methods: Sequence[str]
    size: Size
    ax: matplotlib.axes.Axes | None


class Drawn(Shown, total=False):
    """What figures over all seeds can be told besides."""

    band: Band
    split: bool


_ALL = """\
problems, methods : sequence of str
    names of those that are shown, that of a grid, such as "gd", for all of it; none means all
size : "column", "text" or None
    the width of a column (3.4 inches) or of a page (6.8 inches); None is what suits the figure
ax : matplotlib.axes.Axes or None
    an axis of another figure to draw into, for a figure of a single panel"""

_OVER_SEEDS = """
band : "quartiles" or "median"
    what is shown around a median: the quartiles of the seeds, or its 95 % confidence interval
split : bool
    small multiples, a row for each problem and a column for each method"""

_TREE = "Parameters\n----------\ntree : a result as `gfcompare.open_study` returns it\n"
_NONE: dict[str, Any] = {"problems": (), "methods": (), "size": None, "ax": None}
_DEFAULTS = {"Shown": _NONE, "Drawn": _NONE | {"band": "quartiles", "split": False}}

_Draw = TypeVar("_Draw", bound=Callable[..., Any])


def lists_options(function: _Draw) -> _Draw:
    """Put what every figure can be told into the docstring and the signature of a function, for `help`."""
    kind = "Drawn" if "Drawn" in str(function.__annotations__["options"]) else "Shown"
    told = _ALL + (_OVER_SEEDS if kind == "Drawn" else "")
    text = inspect.getdoc(function) or ""
    if "\noptions : see `Shown`" in text:
        text = re.sub("\noptions : see `Shown`[^\n]*", f"\n{told}", text)
    else:
        head, rule, rest = text.partition("Raises\n------")
        text = f"{head.rstrip()}\n\n{_TREE}{told}\n\n{rule}{rest}".rstrip()
    function.__doc__ = text
    given = inspect.signature(function)
    own = [p for p in given.parameters.values() if p.kind is not p.VAR_KEYWORD]
    types = Drawn.__annotations__
    more = [
        inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=getattr(types[key], "__forward_arg__", types[key]),
        )
        for key, default in _DEFAULTS[kind].items()
    ]
    function.__signature__ = given.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    return function


def draw(kind: type[Selection], tree: xr.DataTree | xr.Dataset, options: Any) -> matplotlib.figure.Figure:
    """Draw a figure; options are its own, and perhaps an axis."""
    own = dict(options)
    ax = own.pop("ax", None)
    return kind(**own).draw(tree, ax)
