"""gfcompare merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gfcompare.cli.base import PluginFiles, ResultFolder, StudyFile, a_path, app, err, expanded, load_plugins
from gfcompare.cli.running import Part, show
from gfcompare.system.progress import Display


@app.command()
@expanded
def merge(
    study: StudyFile,
    output: ResultFolder = None,
    part: Part = Part(),  # noqa: B008 (immutable)
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            parser=a_path,
            metavar="DIR",
            help="Also take in the cells of this folder, as of another machine. May be repeated.",
        ),
    ] = None,
    figures: Annotated[
        bool,
        typer.Option("--figures/--no-figures", help="Draw the figures, or leave that to: gfcompare plot."),
    ] = True,
    plugin: PluginFiles = None,
) -> None:
    """Put the cells that gfcompare run --shard has computed into one result, and print what came out.

    Nothing is computed: it is refused while cells are missing. The result is the same, to the bit, as that of
    one run of the whole study.
    """
    load_plugins(plugin)
    from gfcompare.study.runner import merge_study
    from gfcompare.study.study import Study

    loaded = Study.from_toml(study).part(seeds=part.seeds, only=part.only or ())
    show(merge_study(loaded, output, others=folders or (), progress=Display(err)), figures)
