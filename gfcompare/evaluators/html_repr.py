"""The display of objects in notebooks: small tables in HTML, and a curve in a line of text."""

from __future__ import annotations

import html
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gfcompare.components.component import Component, describe, plain
from gfcompare.evaluators.evaluation import Evaluation
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.measures import Measure, PointMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.targets import Target

_CELL = "text-align: left; vertical-align: top; padding: 2px 12px 2px 0;"


class Markup(str):
    """Text that is HTML already."""


def escaped(value: Any) -> Markup:
    """Return a value as HTML that shows it as it is."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def table(title: str, rows: Iterable[Sequence[Any]], head: Sequence[str] = ()) -> Markup:
    """Return a table with a title; without a head its first column names the rows."""
    parts = [f"<table><caption style='text-align: left'><strong>{escaped(title)}</strong></caption>"]
    if head:
        cells = "".join(f"<th scope='col' style='{_CELL}'>{escaped(name)}</th>" for name in head)
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    for row in rows:
        tag = "td" if head else "th scope='row'"
        first = f"<{tag} style='{_CELL}'>{escaped(row[0])}</{tag.split()[0]}>"
        parts.append(f"<tr>{first}{''.join(f'<td style={_CELL!r}>{escaped(v)}</td>' for v in row[1:])}</tr>")
    return Markup("".join([*parts, "</tbody></table>"]))


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def in_words(chosen: Component) -> str:
    """Return a component's name and its options in a line of text, long options cut short."""
    options = {
        key: plain(value) if callable(value) else " ".join(_short.repr(value).split())
        for key, value in chosen.options().items()
    }
    return f"{chosen.name}({', '.join(f'{key}={text}' for key, text in options.items())})"


def evaluated(measure: Measure, evaluation: Evaluation) -> str:
    """Return in words how the risk under a measure is evaluated."""
    if isinstance(measure, PointMeasure):
        return f"sums over {len(measure.points)} points"
    if evaluation.exact:
        return "integrated exactly"
    return "preintegrated" if evaluation.name == "preintegration" else evaluation.accuracy


def component(chosen: Component) -> Markup:
    """Return a component's name and its options."""
    rest = ", ".join(f"{key} = {value}" for key, value in describe(chosen).items() if key != "name")
    return Markup(f"{escaped(chosen.name)} <small>{escaped(rest)}</small>")


def architecture(network: ReLUNetwork) -> str:
    """Return widths and number of parameters of a network in words."""
    return f"{'-'.join(map(str, network.widths))}, {network.parameter_count} parameters"


def curve(values: ArrayLike, label: str) -> Markup:
    """Return a small drawing of values at equal distances, as tall as a few letters.

    Parameters
    ----------
    values : shape (n,), n >= 2, finite
    label : what it is, for those who cannot see it
    """
    y = np.asarray(values, dtype=np.float64)
    low, high = float(y.min()), float(y.max())
    heights = 22.0 - 20.0 * (y - low) / (high - low) if high > low else np.full(len(y), 12.0)
    points = " ".join(
        f"{x:.1f},{h:.1f}" for x, h in zip(np.linspace(1.0, 95.0, len(y)), heights, strict=True)
    )
    return Markup(
        f"<svg width='96' height='24' role='img' aria-label='{html.escape(label, quote=True)}'>"
        f"<polyline points='{points}' fill='none' stroke='currentColor' stroke-width='1.2'/></svg>"
    )


_DRAWN, _POINTS = 4, 97


def target_with_curves(target: Target, pieces: PiecewisePolynomial | None) -> Markup:
    """Return a target's name and options, for one input with curves of its first outputs."""
    if pieces is None:
        return component(target)
    values = pieces(np.linspace(pieces.knots[0], pieces.knots[-1], _POINTS)).reshape(_POINTS, -1).T
    drawn = [curve(y, f"output {k} of the target") for k, y in enumerate(values[:_DRAWN], start=1)]
    return Markup(" ".join([*drawn, component(target)]))


def problem_table(parts: ProblemParts, evaluation: Evaluation, pieces: PiecewisePolynomial | None) -> Markup:
    """Return a problem; `pieces` is the target as a piecewise polynomial, for one input."""
    rows = [
        ("network", architecture(parts.network)),
        ("target", target_with_curves(parts.target, pieces)),
        ("measure", component(parts.measure)),
        ("risk and gradient", evaluated(parts.measure, evaluation)),
        ("evaluator", evaluation),
    ]
    return table("Problem", rows)
