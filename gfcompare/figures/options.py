"""Options that figures have in common, and their part of a signature and a docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, get_args

from gfcompare.components.errors import unknown_name

if TYPE_CHECKING:
    import matplotlib.axes


#: Widths of a figure by name; None is the one that suits what is shown.
Size = Literal["column", "text"] | None
#: What is shown around a median over seeds: their quartiles, or the confidence interval of the median.
Band = Literal["quartiles", "median"]


def check_one_of(key: str, value: str | None, allowed: object) -> None:
    """Raise InputError unless the value of an option is None or one of a Literal type."""
    names = [str(name) for member in get_args(allowed) for name in (get_args(member) or (member,))]
    if value is not None and value not in names:
        raise unknown_name(key, value, [name for name in names if "None" not in name])


class Shown(TypedDict, total=False):
    """Options of every figure; the docstring of `gfcompare.figures` says what they mean."""

    problems: Sequence[str]
    methods: Sequence[str]
    size: Size
    ax: matplotlib.axes.Axes | None


class Drawn(Shown, total=False):
    """Options of figures over all seeds besides."""

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
    """Put the options of every figure into the docstring and the signature of a function, for `help`."""
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
