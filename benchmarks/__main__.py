"""Run the benchmarks, print one table and write it as JSON: python -m benchmarks [part ...]."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.cases import ALL
from gfcompare.parallel import available_cores


def text(seconds: float) -> str:
    """Return a time with a readable unit."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main() -> None:
    parts = sys.argv[1:] or list(ALL)
    unknown = [part for part in parts if part not in ALL]
    if unknown:
        sys.exit(f"unknown part {unknown[0]!r}; allowed: {', '.join(ALL)}")
    rows = [row for part in parts for row in ALL[part]()]
    table = Table(box=None)
    for column in ("case", "time", "bar", "peer", "peer's time", "ratio", "note"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row.case,
            f"{text(row.seconds)} per {row.unit}",
            "" if row.bar is None else f"{'met' if row.seconds <= row.bar else 'MISSED'}: {text(row.bar)}",
            row.peer,
            "" if row.peer_seconds is None else text(row.peer_seconds),
            "" if row.ratio is None else f"{row.ratio:,.0f}",
            row.note,
        )
    Console(width=170).print(table)
    target = Path(__file__).parent / "results" / "benchmarks.json"
    target.parent.mkdir(exist_ok=True)
    about = {"cores": available_cores(), "machine": platform.machine(), "python": platform.python_version()}
    found = [dataclasses.asdict(row) | {"ratio": row.ratio} for row in rows]
    target.write_text(json.dumps({"machine": about, "results": found}, indent=2) + "\n")
    print(target)


if __name__ == "__main__":
    main()
