"""gfcompare run and gfcompare plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import format_exception
from typing import TYPE_CHECKING, Annotated, NamedTuple

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

if TYPE_CHECKING:
    from gfcompare.integrators.loop import OnError
    from gfcompare.study.executors.base import Executor
    from gfcompare.study.runner import Outcome
    from gfcompare.study.study import Study


Seeds = Annotated[
    int | None, typer.Option(metavar="N", help="Run this many seeds, instead of those of the study.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METHOD",
        help="Run this method only; the name of a grid means all of it. May be repeated.",
    ),
]


class Part(NamedTuple):
    """The selected part of a study."""

    seeds: Seeds = None
    only: Only = None


class Extent(NamedTuple):
    """The selected part of a study, and the place to run it."""

    jobs: Jobs = None
    seeds: Seeds = None
    only: Only = None
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Compute the I-th of N parts of the cells, for job arrays; gfcompare merge joins them.",
        ),
    ] = None
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Compute on the workers of a Dask cluster: the address of its scheduler, 'local', or a "
            "Python file that makes it.",
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
    results/quickstart-seeds-4. The exit code is 1 if a method failed on every trajectory
    or ended its process.
    """
    load_plugins(plugin)
    from gfcompare.study.study import Study

    loaded = Study.from_toml(study).part(seeds=extent.seeds, only=extent.only or ())
    outcome = _computed(loaded, output, extent, force, traceback)
    if outcome is not None:
        show(outcome, figures)


def _computed(
    study: Study, output: Path | None, extent: Extent, force: bool, traceback: bool
) -> Outcome | None:
    """Run a study or a shard of it; return what came out of the whole."""
    from gfcompare.study import runner
    from gfcompare.study.shards import Shard

    shard = None if extent.shard is None else Shard.parsed(extent.shard)
    display = Display(err)
    try:
        with _executor(extent) as executor:
            on_error: OnError = "raise" if traceback else "record"
            manner = runner.Manner(extent.jobs, force, on_error, executor, apart=not traceback)
            if shard is None:
                return runner.run_study(study, output, manner=manner, progress=display)
            found = runner.run_shard(study, shard, output, manner, display)
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
    out.print(f"{count(found.computed, 'cell')} computed, {found.reused} found finished")
    out.print(plain(f"shard {shard} is complete; when all are, gfcompare merge puts them together"))
    _end(found.given_up, [])
    return None


@contextmanager
def _executor(extent: Extent) -> Iterator[Executor | None]:
    """Yield the executor that was asked for, None for processes of this machine."""
    if extent.dask is None:
        yield None
        return
    from gfcompare.study.executors.dask import connected

    with connected(extent.dask, extent.jobs, lambda text: err.print(plain(text))) as executor:
        yield executor


def show(outcome: Outcome, figures: bool) -> None:
    """Print what came out of a study, draw its figures, and exit with 1 if a method failed everywhere."""
    from gfcompare.study.failures import failed_everywhere

    print_summary(outcome.tree)
    out.print(
        f"{count(outcome.computed, 'cell')} computed, {outcome.reused} found finished, "
        f"{outcome.seconds:.1f} s"
    )
    out.print(plain(f"result   {from_here(outcome.path)}"))
    if figures:
        draw(outcome.tree, from_here(outcome.path.parent / "figures"))
    _end(outcome.given_up, failed_everywhere(outcome.tree))


def _end(given_up: Sequence[str], broken: Sequence[str]) -> None:
    """Exit with 1 if methods failed on every trajectory, or cells had to be given up."""
    if broken:
        names = ", ".join(map(repr, broken))
        err.print(f"[red]error:[/red] {plain(names)} failed on every trajectory (--traceback shows where).")
    if given_up:
        names = "; ".join(given_up[:3]) + ("; ..." if given_up[3:] else "")
        err.print(
            f"[red]error:[/red] {count(len(given_up), 'cell')} ended their processes or did not end, and are "
            f"recorded as failed: {plain(names)}."
        )
    if broken or given_up:
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
    failed = draw(tree, output or file.parent / "figures", figure, formats, options or ())
    if other is not None and figure is None:
        out.print(plain(f"a work-precision study is there too: gfcompare plot {from_here(other)} draws it"))
    if failed:
        raise typer.Exit(1)
