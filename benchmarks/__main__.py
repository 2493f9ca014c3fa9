"""Run the benchmarks, print one table and write it as JSON: python -m benchmarks [part ...].

python -m benchmarks truth is a campaign of its own, see `benchmarks.truth`; python -m benchmarks flows counts
and times what single flows take over many seeds, see `benchmarks.tails`; python -m benchmarks certificates
counts proofs, see `benchmarks.certificates`; python -m benchmarks cube compares gradients with three inputs,
see `benchmarks.cube`; python -m benchmarks cells measures what a cell costs besides its trajectories, see
`benchmarks.cells`; python -m benchmarks full-disk lets commands meet a full disk at every write, see
`benchmarks.full_disk`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks import cells, certificates, cube, full_disk, store, tails, truth
from benchmarks.aims import aims
from benchmarks.cases import ALL
from benchmarks.measure import Result, text


def table(rows: list[Result]) -> Table:
    """Return the rows as they are printed."""
    shown = Table(box=None)
    for column in ("case", "time", "error", "peer", "peer's time", "error", "ratio", "bar", "note"):
        shown.add_column(column)
    for row in rows:
        stopped, ratio = row.ratio_at_least, row.ratio
        shown.add_row(
            row.case,
            f"{text(row.seconds)} per {row.unit}",
            _error(row.error),
            row.peer,
            row.peer_status if row.peer_seconds is None else text(row.peer_seconds),
            _error(row.peer_error),
            (f"> {stopped:,.0f}" if stopped else "") if ratio is None else f"{ratio:,.3g}",
            "" if row.bar is None else f"{'met' if row.seconds <= row.bar else 'MISSED'}: {text(row.bar)}",
            row.note,
        )
    return shown


def _error(value: float | None) -> str:
    return "" if value is None else "exact" if value == 0 else f"{value:.1e}"


#: Parts that are campaigns of their own, and have options.
ALONE = {
    "truth": truth.main,
    "flows": tails.main,
    "certificates": certificates.main,
    "cube": cube.main,
    "cells": cells.main,
    "full-disk": full_disk.main,
}


def main() -> None:
    if alone := ALONE.get(next(iter(sys.argv[1:]), "")):
        alone(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(ALL)}; by default all of them")
    parts = parser.parse_args().parts or list(ALL)
    unknown = [part for part in parts if part not in ALL]
    if unknown:
        allowed = f"{', '.join(ALL)}; or one of {', '.join(ALONE)} by itself"
        parser.error(f"unknown part {unknown[0]!r}; allowed: {allowed}")
    # Ended from outside, it still ends the processes that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found: list[Result] = []
    for part in parts:
        began = time.perf_counter()
        rows = []
        for row in ALL[part]():
            rows.append(row)
            print(f"{time.perf_counter() - began:7.0f} s  {row.case}  {row.peer}", file=sys.stderr)
        store.save(part, rows, time.perf_counter() - began)
        found += rows
    console = Console(width=200)
    console.print(table(found))
    for aim in aims(store.load()):
        console.print(aim.text())
    print(store.FILE)


if __name__ == "__main__":
    main()
