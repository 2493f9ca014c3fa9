"""gfcompare report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gfcompare.cli.base import PluginFiles, Result, a_path, app, err, load_plugins, out, plain
from gfcompare.cli.results import opened
from gfcompare.components.errors import InputError


@app.command()
def report(
    result: Result,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=a_path, metavar="FILE", help="The page. Without it, report.html beside the result."
        ),
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """Write one HTML file about a result: tables, interactive figures, and how to run the study again.

    It needs no network, and can be read in any browser, on a phone and with the keyboard.
    """
    load_plugins(plugin)
    from gfcompare.report.checks import stored
    from gfcompare.report.page import write
    from gfcompare.statistics import tables
    from gfcompare.theory import verify

    if output is not None and (output.is_dir() or output.suffix.lower() not in (".html", ".htm")):
        raise InputError(f"--output {str(output)!r}: the page is an HTML file; its name must end with .html.")
    tree, file = opened(result)

    def log(text: str) -> None:
        err.print(plain(text))

    def checked(done: int, total: int) -> None:
        if done % max(1, total // 4) == 0:
            log(f"theory checks: {done} of {total} trajectories")

    found = stored(tree)  # by gfcompare verify
    path = write(
        tree,
        output or file.with_name("report.html"),
        checks=verify(tree, progress=checked) if found is None else found,
        statistics=tables(tree),
        log=log,
    )
    out.print(plain(f"report   {path} ({path.stat().st_size / 1e6:.1f} MB)"))
