"""Put the newest results into docs/performance.md and draw its figure: python -m benchmarks.document.

The page has blocks between the lines <!-- begin NAME --> and <!-- end NAME -->; each is rewritten if its part
of the results is there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import growth_figure, store
from benchmarks.aims import aims
from benchmarks.measure import text
from benchmarks.peers import methods

Record = dict[str, Any]
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def _rows(cells: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count(" | ") + 1), *lines[1:]])


def _time(seconds: float) -> str:
    return text(seconds).replace("us", "µs")


def _error(value: float | None) -> str:
    return "" if value is None else "exact" if value == 0 else f"{value:.0e}".replace("e-0", "e-")


def _ratio(value: float, digits: int = 2) -> str:
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:g}" if rounded < 100 else f"{rounded:,.0f}"


def _peer(row: Record | None) -> str:
    """Return time, ratio and error of a peer."""
    if row is None:
        return ""
    if row["peer_seconds"] is not None:
        parts = [f"{_ratio(row['ratio'])}×", _error(row["peer_error"])]
        return f"{_time(row['peer_seconds'])}<br>" + ", ".join(part for part in parts if part)
    if row["status"] == "time limit":
        more = f"<br>> {_ratio(row['ratio_at_least'])}×" if row["ratio_at_least"] else ""
        return f"{row['peer_status']}{more}"
    return f"*{row['status']}*"


def _ours(rows: Sequence[Record]) -> str:
    """Return our times and errors, for each accuracy that a peer was met at."""
    found = {(row["seconds"], row["error"]) for row in rows}
    return "<br>".join(
        _time(seconds) + (f", {_error(error)}" if error is not None else "")
        for seconds, error in sorted(found)
    )


def _matrix(rows: Sequence[Record], columns: Sequence[str], heads: dict[str, str]) -> str:
    """Return a table with a row for each case and number of points, and a column for each method."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for row in rows:
        points = str(row["points"] or 1024) + (", float32" if row["dtype"] == "float32" else "")
        groups.setdefault((row["case"], "" if row["kind"] == "sgd" else points), []).append(row)
    shown = [column for column in columns if any(row["method"] == column for row in rows)]
    table = [["", "points of peers", "gfcompare", *(heads.get(column, column) for column in shown)]]
    for (case, points), group in groups.items():
        by_method = {row["method"]: row for row in group}
        table.append([case, points, _ours(group), *(_peer(by_method.get(column)) for column in shown)])
    return _rows(table)


def machine(parts: Record) -> str:
    """Say where and when it was measured."""
    about = parts["peers"]["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return (
        f"Measured on {parts['peers']['date']}, {about['cores']} core{'s' if about['cores'] > 1 else ''} "
        f"({about['processor']}), with Python "
        f"{about['python']}, {versions}."
    )


def aim_table(parts: Record) -> str:
    """Say which aims are met."""
    table = [["ratio of times", "asked", "smallest found", "where"]]
    for aim in aims(parts):
        found = "no peer finished" if math.isinf(aim.found) else _ratio(aim.found, 3)
        table.append([aim.what, f"{aim.asked:g}", found if aim.met else f"**{found}**", aim.where])
    return _rows(table)


def descent(parts: Record) -> str:
    """Return the table of descent."""
    rows = [row for row in parts["peers"]["results"] if not row["end"]]
    order = (
        methods.JAX,
        methods.JAX_MAP,
        methods.PYTORCH,
        methods.COMPILED,
        methods.GEOOPT,
        methods.PYMANOPT,
    )
    return _matrix(rows, [method.name for method in order], {})


def flows(parts: Record) -> str:
    """Return the table of flows."""
    rows = [row for row in parts["peers"]["results"] if row["end"]]
    heads = {
        methods.LSODA_GRADIENT.name: "SciPy LSODA, our exact gradient",
        methods.LSODA_HESSIAN.name: "the same, with our exact Hessian",
    }
    return _matrix(rows, [method.name for method in (*methods.ON_POINTS, *methods.EXACT)], heads)


def roofline(parts: Record) -> str:
    """Return the table of the parts of a gradient."""
    rows = [row for row in parts["roofline"]["results"] if "part" in row]
    sizes = sorted({row["hidden"] for row in rows})
    names = list(dict.fromkeys(row["part"] for row in rows))
    values = {(row["part"], row["hidden"]): row for row in rows}
    table = [["ns for one neuron", "at least", *(f"H = {hidden}" for hidden in sizes)]]
    for name in names:
        least = values[name, sizes[0]]["least"] * 1e9
        label = "**whole step of descent**" if name == "step" else name
        table.append([label, f"{least:.2f}", *(f"{values[name, h]['seconds'] * 1e9:.2f}" for h in sizes)])
    return _rows(table)


def core(parts: Record) -> str:
    """Return what the core was found to do."""
    rows = [row for row in parts["roofline"]["results"] if "core" in row]
    return _rows([["operation", "ns"], *([row["core"], f"{row['seconds'] * 1e9:.3f}"] for row in rows)])


def spread(parts: Record) -> str:
    """Return what single flows take, over seeds: for each width and end the target with the largest ratio."""
    rows = [row for row in parts["spread"]["results"] if row.get("what") == "gradients"]
    head = ("flow, H, t", "median of gradients", "mean, in medians", "95 %", "99 %", "largest")
    table: list[Sequence[str]] = [head]
    for place in dict.fromkeys((row["flow"], row["hidden"], row["end"]) for row in rows):
        those = [row for row in rows if (row["flow"], row["hidden"], row["end"]) == place]
        medians = sorted(row["median"] for row in those)
        cells = [f"{place[0]}, {place[1]}, 10^{round(math.log10(place[2]))}"]
        cells.append(f"{medians[0]:,.0f} to {medians[-1]:,.0f}")
        for name in ("mean", "q95", "q99", "largest"):
            worst = max(those, key=lambda row, name=name: row[name] / row["median"])
            cells.append(f"{worst[name] / worst['median']:.2f}, {worst['target']}")
        table.append(cells)
    return _rows(table)


def spread_of_peers(parts: Record) -> str:
    """Return LSODA on our derivatives beside gfcompare: the distribution of times over seeds."""
    table: list[Sequence[str]] = [
        ("", "error", "median", "mean", "95 %", "99 %", "largest", "ratio of means")
    ]
    for row in parts["spread"]["results"]:
        if "peer_seconds_of_all" not in row:
            continue
        ours = row["note"].partition(";")[0]
        for name, key, error in (
            (row["peer"], "peer_seconds_of_all", row["peer_error"]),
            (ours, "seconds_of_all", row["error"]),
        ):
            found = np.array(row[key])
            values = (
                np.median(found),
                found.mean(),
                *np.quantile(found, (0.95, 0.99), method="higher"),
                found.max(),
            )
            ratio = _ratio(row["ratio"]) if key != "seconds_of_all" else ""
            cells = (f"1-{row['hidden']}-1: {name}", _error(error), *(_time(float(v)) for v in values), ratio)
            table.append(cells)
    return _rows(table)


#: Name of the block: the part of the results that it needs, and what it says.
BLOCKS: dict[str, tuple[str, Callable[[Record], str]]] = {
    "machine": ("peers", machine),
    "aims": ("peers", aim_table),
    "descent": ("peers", descent),
    "flows": ("peers", flows),
    "spread": ("spread", spread),
    "spread of peers": ("spread", spread_of_peers),
    "core": ("roofline", core),
    "roofline": ("roofline", roofline),
}


def rewritten(page: str, parts: Record) -> str:
    """Return the page with the blocks whose parts were measured."""
    for name, (part, block) in BLOCKS.items():
        marked = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
        if len(marked.findall(page)) != 1:
            raise ValueError(f"the page must have one block {name!r}")
        if part in parts:
            page = marked.sub(lambda found: f"{found[1]}{block(parts)}\n{found[2]}", page)
    return page


def main() -> None:
    """Rewrite the page and draw the figure."""
    parts = store.load()
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")
    print(PAGE)
    if "growth" in parts:
        print(growth_figure.draw(parts["growth"]["results"], PAGE.parent / "images" / "growth.png"))


if __name__ == "__main__":
    main()
