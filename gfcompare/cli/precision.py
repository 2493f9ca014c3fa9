"""gfcompare work-precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from traceback import format_exception
from typing import TYPE_CHECKING, Annotated

import typer

from gfcompare.cli import layout
from gfcompare.cli.base import (
    Force,
    Jobs,
    PluginFiles,
    ResultFolder,
    StudyFile,
    Traceback,
    app,
    count,
    err,
    from_here,
    load_plugins,
    out,
    plain,
)
from gfcompare.cli.layout import Column
from gfcompare.components.errors import InputError, RunError, known_name, unknown_name
from gfcompare.system.process_end import ignore_interrupts
from gfcompare.system.progress import Display

if TYPE_CHECKING:
    import xarray as xr

# What the names of the figures of a work-precision study begin with.
_STEM = "work_precision_"


@app.command("work-precision")
def work_precision(
    study: StudyFile,
    output: ResultFolder = None,
    jobs: Jobs = None,
    rtol: Annotated[
        list[float] | None,
        typer.Option(
            metavar="TOL",
            help="Integrate flows at this relative tolerance. May be repeated; without it, 1e-3, ..., 1e-10.",
        ),
    ] = None,
    force: Force = False,
    traceback: Traceback = False,
    plugin: PluginFiles = None,
) -> None:
    """Measure what an accuracy costs: error against work, for every method of a study.

    Flows run over tolerances, methods with steps over step sizes: the study's own times 1, 1/2, ..., 1/32.
    Errors are measured against the gradient flow, integrated at a tolerance of 1e-12, and once more to know
    its own uncertainty. A run that was stopped goes on where it was. The exit code is 1 if a method failed
    on every trajectory.
    """
    load_plugins(plugin)
    from gfcompare.study.study import Study
    from gfcompare.work_precision.running import run_parts
    from gfcompare.work_precision.settings import varied_option
    from gfcompare.work_precision.summary import failed_everywhere

    displays: list[Display] = []

    def display() -> Display:
        displays.append(Display(err))
        return displays[-1]

    loaded = Study.from_toml(study)
    try:
        outcome = run_parts(
            loaded,
            output,
            rtol=tuple(rtol or ()),
            jobs=jobs,
            force=force,
            on_error="raise" if traceback else "record",
            shown=display,
        )
    except KeyboardInterrupt:
        ignore_interrupts()
        finished = count(sum(shown.finished for shown in displays), "finished cell")
        err.print(f"Stopped. {finished} kept; the same command goes on from there.")
        raise typer.Exit(130) from None
    except (InputError, RunError, OSError):
        raise
    except Exception as error:  # of a method, asked for
        err.print("".join(format_exception(error)), markup=False)
        raise typer.Exit(1) from None
    print_table(outcome.tree)
    left_out = [name for name, method in loaded.integrators.items() if varied_option(method) is None]
    if left_out:
        out.print(plain(f"left out, with neither tolerance nor step size: {', '.join(left_out)}"))
    computed = count(outcome.computed, "cell")
    out.print(f"{computed} computed, {outcome.reused} found finished, {outcome.seconds:.1f} s")
    out.print(plain(f"result   {from_here(outcome.path)}"))
    _draw(outcome.tree, from_here(outcome.path.parent / "figures"))
    if broken := failed_everywhere(outcome.tree):
        names = ", ".join(map(repr, broken))
        err.print(f"[red]error:[/red] {plain(names)} failed on every trajectory (--traceback shows where).")
        raise typer.Exit(1)


def _draw(
    tree: xr.DataTree,
    folder: Path,
    errors: Sequence[str] | None = None,
    formats: Sequence[str] | None = None,
) -> None:
    """Draw the diagrams of some errors, and print which files there are."""
    from gfcompare.figures.saving import FORMATS
    from gfcompare.figures.work_precision import save
    from gfcompare.work_precision.errors import ERRORS

    paths = save(tree, folder, errors=errors or ERRORS, formats=formats or FORMATS)
    out.print(plain(f"figures  {folder}/ ({', '.join(sorted({p.suffix[1:] for p in paths}))})"))
    for stem in dict.fromkeys(path.stem for path in paths):
        out.print(f"         {stem}")


def show(file: Path) -> None:
    """Print what a work-precision study holds and how it came out."""
    from gfcompare.work_precision import read

    tree = read(file)
    about = tree.attrs
    out.print(f"[bold]{plain(about['title'])}[/bold]  {plain(about['description'])}")
    out.print(
        plain(
            f"work-precision study, made {about['created']} with gfcompare {about['gfcompare_version']}, "
            f"version {about['work_precision_version']}"
        )
    )
    for name, node in tree.children.items():
        sizes = ", ".join(f"{key} {size}" for key, size in node.sizes.items())
        out.print(f"  {plain(str(name))}: {sizes}")
    print_table(tree)


def are_figures(names: Sequence[str]) -> bool:
    """Return whether names are meant as figures of a work-precision study, and not of a result."""
    return bool(names) and all(name.startswith(_STEM) for name in names)


def plot_again(
    file: Path,
    folder: Path,
    names: Sequence[str] | None,
    formats: Sequence[str] | None,
    options: Sequence[str],
) -> None:
    """Draw the diagrams of a work-precision study again.

    Raises
    ------
    InputError
        for a name of another figure, a format of animations, or an option: they have none
    """
    from gfcompare.figures.saving import FORMATS
    from gfcompare.work_precision import read
    from gfcompare.work_precision.errors import ERRORS

    stems = {f"{_STEM}{error}": error for error in ERRORS}
    chosen = [stems[known_name("figure of a work-precision study", name, [*stems])] for name in names or ()]
    for form in formats or ():
        if form not in FORMATS:
            raise unknown_name("format of a figure that does not move", form, FORMATS)
    if options:
        raise InputError(f"--option {options[0]!r}: the figures of a work-precision study have no options.")
    _draw(read(file), folder, chosen or None, formats)


def print_table(tree: xr.DataTree) -> None:
    """Print the medians of a work-precision study, the observed orders, and how sure the reference is."""
    from gfcompare.work_precision import orders, summary, uncertainty
    from gfcompare.work_precision.errors import ERRORS

    order = orders(tree)
    columns = [Column("problem", "name"), Column("method", "name")]
    headings = ("setting", "theta", "function", "risk", "failed", "gradients", "time", "order")
    columns += map(Column, headings)
    rows = []
    previous: tuple[str, str] | None = None
    for row in summary(tree).to_dict("records"):
        line = row["problem"], row["method"]
        sampled = row["gradients"] == 0 and row["sample gradients"] > 0
        rows.append(
            (
                plain(line[0]) if previous is None or line[0] != previous[0] else "",
                plain(line[1]) if line != previous else "",
                f"{row['option']} {row['value']:.3g}",
                *(f"{row[error]:.1e}" for error in ERRORS),
                f"{100 * row['failed']:.0f} %",
                f"{row['sample gradients']:,.0f} *" if sampled else f"{row['gradients']:,.0f}  ",
                f"{row['seconds']:.2g} s",
                f"{order[line]:.2f}" if line != previous and order[line] == order[line] else "",
            )
        )
        previous = line
    layout.print_table(out, columns, rows)
    out.print(
        "theta, function, risk: relative errors, medians over seeds, infinite where too many failed; "
        "gradients: evaluations for one seed, * at one sample point; time: of one core for one seed; "
        "order: slope of log error of theta against log setting."
    )
    unsure = {error: uncertainty(tree, error) for error in ERRORS}
    for name, node in tree.children.items():
        known = ", ".join(f"{error} {unsure[error][name]:.1e}" for error in ERRORS)
        out.print(plain(f"uncertainty of the reference for {name}: {known}"))
        lost = int(node["reference_theta_error"].isnull().any("integrator").sum())
        if lost:
            seeds = count(lost, "seed")
            out.print(plain(f"no reference for {seeds} of {name}, see 'reference_status': not counted above"))
