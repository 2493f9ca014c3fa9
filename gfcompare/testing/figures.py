"""Checks of a figure: it draws every kind of problem or says why not, and leaves nothing behind."""

from __future__ import annotations

import inspect
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gfcompare.components.errors import InputError
from gfcompare.figures.base import NothingToDraw
from gfcompare.testing.declarations import made
from gfcompare.testing.records import NotApplicable, Subject, expect
from gfcompare.testing.sample_problems import QUADRATURE, sample, scratch

if TYPE_CHECKING:
    import xarray as xr

#: Kinds of problem of which results are drawn.
KINDS = ("line", "several outputs", "deep", "plane", "points", "one neuron", "quadrature")


@lru_cache(maxsize=8)
def result(kind: str) -> xr.DataTree:
    """Return a small result of a kind of problem: both flows, descent and one that diverges."""
    from gfcompare.hooks.registry import integrator
    from gfcompare.study.study import Study
    from gfcompare.study.times import Times

    problem = sample(kind).problem
    descent = [integrator("gd", step_size=size) for size in (0.05, 5.0)]
    flows = {name: integrator(name) for name in ("standard-gf", "normalized-gf")}
    study = Study(
        kind.replace(" ", "-"),
        description="For the checks of figures.",
        targets={"target": problem.target},
        integrators={**flows, "gd": descent, "gd on M": integrator("gd", step_size=0.05, normalize=True)},
        network=problem.network,
        measure=problem.measure,
        quadrature=QUADRATURE if kind == "quadrature" else None,
        times=Times(start=0.1, end=2.0, count=3),
        seeds=2,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return study.run(scratch() / study.name, jobs=1, progress=False)


def draws(subject: Subject) -> str:
    """Check that it draws every kind of problem and returns a matplotlib figure, or says why not."""
    from matplotlib.figure import Figure

    remarks: dict[str, list[str]] = {}
    drawn = 0
    for kind in KINDS:
        tree = result(kind).copy(deep=True)
        if not _applies(subject, tree):
            remarks.setdefault(f"no problem has {subject.cls.scope}", []).append(kind)
            continue
        try:
            figure = _draw(subject, tree)
        except NothingToDraw as reason:
            remarks.setdefault(str(reason), []).append(kind)
            continue
        drawn += 1
        expect(
            isinstance(figure, Figure),
            "draw returns a matplotlib.figure.Figure",
            f"for {kind} it returned {type(figure).__name__}",
            "Return fig of fig, ax = plt.subplots()",
        )
        _closed(figure)
    why_not = "; ".join(f"{reason} ({', '.join(kinds)})" for reason, kinds in remarks.items())
    if not drawn:
        raise NotApplicable(why_not)
    return why_not


def axis(subject: Subject) -> str:
    """Check that it draws into an axis that it is given, or says why not."""
    import matplotlib.pyplot as plt

    figure = made(subject)
    if "ax" not in inspect.signature(figure.draw).parameters:
        raise NotApplicable("its draw takes no ax")
    tree = _first(subject)
    fig, (left, right) = plt.subplots(1, 2)
    try:
        before = len(right.get_children())
        returned = _draw(subject, tree, ax=left)
    except (InputError, NothingToDraw) as reason:
        return f"it says why not: {reason}"
    finally:
        plt.close(fig)
    expect(
        returned is fig and len(right.get_children()) == before and left.has_data(),
        "draw(tree, ax=ax) draws into ax alone and returns its figure",
        "it returned another figure" if returned is not fig else "ax is empty, or another axis has more",
        "Draw with ax.plot, not with plt.plot, and return ax.figure",
    )
    return ""


def result_unchanged(subject: Subject) -> str:
    """Check that drawing leaves the result as it is, and matplotlib's settings too."""
    import matplotlib as mpl

    tree = _first(subject)
    before, settings = tree.copy(deep=True), dict(mpl.rcParams)
    with mpl.rc_context():
        _closed(_drawn(subject, tree))
        changed = [key for key, item in dict(mpl.rcParams).items() if settings.get(key) != item]
    expect(
        tree.identical(before),
        "the result is left as it is",
        "a variable or an attribute has changed",
        "Work on a copy: group = tree[name].to_dataset().copy(deep=True)",
    )
    expect(
        not changed,
        "settings of matplotlib are left as they are",
        f"rcParams {', '.join(changed[:3])} have changed",
        "Use with matplotlib.rc_context({...}):",
    )
    return ""


def _applies(subject: Subject, tree: xr.DataTree) -> bool:
    return any(subject.cls.applies(node.to_dataset()) for node in tree.children.values())


def _first(subject: Subject) -> xr.DataTree:
    """Return a result that a figure can draw."""
    for kind in KINDS:
        tree = result(kind).copy(deep=True)
        if _applies(subject, tree):
            try:
                _closed(_draw(subject, tree))
            except NothingToDraw:
                continue
            return result(kind).copy(deep=True)
    raise NotApplicable("there is nothing to draw in the sample results")


def _draw(subject: Subject, tree: xr.DataTree, **options: Any) -> Any:
    import matplotlib as mpl

    with mpl.rc_context():
        return _drawn(subject, tree, **options)


def _drawn(subject: Subject, tree: xr.DataTree, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made(subject).draw(tree, **options)


def _closed(figure: Any) -> None:
    import matplotlib.pyplot as plt

    plt.close(figure)
