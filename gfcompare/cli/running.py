"""gfcompare run and gfcompare plot."""

from __future__ import annotations

from pathlib import Path
from traceback import format_exception
from typing import Annotated, NamedTuple

import typer

from gfcompare.cli import precision
from gfcompare.cli.base import (
    Either,
    Force,
    Jobs,
    PluginFiles,
    ResultFolder,
    StudyFile,
    Traceback,
    a_path,
    app,
    count,
    err,
    expanded,
    from_here,
    load_plugins,
    out,
    plain,
)
from gfcompare.cli.drawing import draw
from gfcompare.cli.results import opened, place_of
from gfcompare.cli.tables import print_summary
from gfcompare.components.errors import InputError, RunError, unknown_name
from gfcompare.system.process_end import ignore_interrupts
from gfcompare.system.progress import Display


class Extent(NamedTuple):
    """How much of a study is run, and on how many processes."""

    jobs: Jobs = None
    seeds: Annotated[
        int | None, typer.Option(metavar="N", help="Run this many seeds, instead of those of the study.")
    ] = None
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METHOD",
            help="Run this method only; the name of a grid means all of it. May be repeated.",
        ),
    ] = None


_ALL = Extent()


@app.command()
@expanded
def run(
    study: StudyFile,
    output: ResultFolder = None,
    extent: Extent = _ALL,
    figures: Annotated[
        bool,
        typer.Option("--figures/--no-figures", help="Draw the figures, or leave that to: gfcompare plot."),
    ] = True,
    force: Force = False,
    traceback: Traceback = False,
    plugin: PluginFiles = None,
) -> None:
    """Run a study, draw its figures and print what came out.

    Each finished cell (a problem, a method and a block of seeds) is kept in a file of its own. If a run is
    stopped, by Ctrl-C or otherwise, the same command goes on where it was and computes nothing twice. A cell
    is computed again if anything changed that determines its numbers, such as a method's source: see
    gfcompare info STUDY. With --seeds or --only the results have a folder of their own, such as
    results/quickstart-seeds-4. The exit code is 1 if a method failed on every trajectory.
    """
    load_plugins(plugin)
    from gfcompare.study.failures import failed_everywhere
    from gfcompare.study.runner import run_study
    from gfcompare.study.study import Study

    loaded = Study.from_toml(study).part(seeds=extent.seeds, only=extent.only or ())
    display = Display(err)
    try:
        outcome = run_study(
            loaded,
            output,
            jobs=extent.jobs,
            force=force,
            on_error="raise" if traceback else "record",
            progress=display,
        )
    except KeyboardInterrupt:
        ignore_interrupts()
        err.print(
            f"Stopped. {display.finished} of {display.total} cells are finished and kept; "
            "the same command goes on from there."
        )
        raise typer.Exit(130) from None
    except (InputError, RunError, OSError):
        raise
    except Exception as error:  # of a method, asked for
        err.print("".join(format_exception(error)), markup=False)
        raise typer.Exit(1) from None
    print_summary(outcome.tree)
    out.print(
        f"{count(outcome.computed, 'cell')} computed, {outcome.reused} found finished, "
        f"{outcome.seconds:.1f} s"
    )
    out.print(plain(f"result   {from_here(outcome.path)}"))
    if figures:
        draw(outcome.tree, from_here(outcome.path.parent / "figures"))
    if broken := failed_everywhere(outcome.tree):
        names = ", ".join(map(repr, broken))
        err.print(f"[red]error:[/red] {plain(names)} failed on every trajectory (--traceback shows where).")
        raise typer.Exit(1)


@app.command()
def plot(
    result: Either,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Draw only this figure (see: gfcompare list figures). May be repeated."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=a_path,
            metavar="DIR",
            help="Folder for the figures. Without it, figures/ beside the result.",
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="EXT",
            help="png, pdf or svg; gif or mp4 for animations. May be repeated; without it, all.",
        ),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="An option of the figures that have it, such as size=column, seed=3, split=true or "
            "methods=gd (see: gfcompare list figures NAME). May be repeated.",
        ),
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """Draw the figures of a result again: every method in one colour, problems side by side.

    Of a run that is not finished they show what there is so far. A study file means its folder in results/.
    """
    load_plugins(plugin)
    from gfcompare.figures.saving import ALL_FORMATS
    from gfcompare.work_precision import located, located_beside

    for extension in formats or ():
        if extension not in ALL_FORMATS:
            raise unknown_name("figure format", extension, ALL_FORMATS)
    place = place_of(result)
    study, other = located(place), located_beside(place)
    if other is not None and precision.are_figures(figure or ()):
        study = other
    if study is not None:
        precision.plot_again(study, output or study.parent / "figures", figure, formats, options or ())
        return
    tree, file = opened(place, so_far=True)
    draw(tree, output or file.parent / "figures", figure, formats, options or ())
    if other is not None and figure is None:
        out.print(plain(f"a work-precision study is there too: gfcompare plot {from_here(other)} draws it"))
