"""gfcompare table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfcompare.cli.base import PluginFiles, Result, a_path, app, load_plugins, out, plain
from gfcompare.cli.layout import Column, print_table
from gfcompare.cli.results import opened
from gfcompare.components.errors import unknown_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_FORMATS = ("csv", "md", "tex")


@app.command()
def table(
    result: Result,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="EXT", help="csv, md or tex. May be repeated; without it, all three."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=a_path, metavar="DIR", help="Folder for the tables. Without it, tables/ beside the result."
        ),
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """Write tables of statistics over the seeds of a result, for print, and show them.

    Paired differences of final risks, times to target risks, performance profiles and the share of
    trajectories that diverged, each number with an interval; and the closing table.
    """
    load_plugins(plugin)
    for extension in formats or ():
        if extension not in _FORMATS:
            raise unknown_name("table format", extension, _FORMATS)
    from gfcompare.statistics import save, tables

    tree, file = opened(result)
    found = {"Final risk and cost": _closing(tree)} | tables(tree)
    for title, frame in found.items():
        show(title, frame)
    folder = output or file.parent / "tables"
    save(found, folder, formats=formats or _FORMATS)
    out.print(plain(f"tables   {folder}/ ({', '.join(dict.fromkeys(formats or _FORMATS))})"))


def _closing(tree: xr.DataTree) -> pd.DataFrame:
    """Return the closing table with headings and a note that stand alone."""
    from gfcompare.report.summary import summary

    frame = summary(tree).rename(
        columns={"median": "final risk", "lower": "lower quartile", "upper": "upper quartile"}
    )
    for cost in ("gradients", "sample gradients"):
        frame[cost] = frame[cost].round().astype("int64")
    frame.attrs["note"] = (
        "final risk: median and quartiles over all seeds; unfinished: share of "
        "seeds that did not reach the end, counted as infinite risk. gradients, sample gradients (at one "
        "point), seconds (of one core): medians for one seed."
    )
    return frame


def show(title: str, frame: pd.DataFrame) -> None:
    """Print a table with its title and what its columns mean."""
    from gfcompare.statistics.printing import is_text, note, printed

    texts = printed(frame)
    columns = [
        Column(str(heading), "value" if not text else "name" if k < frame.index.nlevels else "text")
        for k, (heading, text) in enumerate(zip(texts.columns, is_text(frame, texts), strict=True))
    ]
    rows = [[plain(str(value)) for value in row] for row in texts.itertuples(index=False)]
    out.print(f"[bold]{plain(title)}[/bold]")
    print_table(out, columns, rows)
    out.print(plain(note(frame)) + "\n")
