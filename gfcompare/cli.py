"""The command line. Every error of the user is one message and exit code 2, never a traceback.

Only what `--help` needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gfcompare import __version__
from gfcompare.errors import InputError, RunError, unknown_name

if TYPE_CHECKING:
    import xarray as xr
    from rich.progress import TaskID

    from gfcompare.study import Cell, Study

app = typer.Typer(
    name="gfcompare",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Compare gradient-flow integrators with gradient-descent methods on the training of ReLU networks. "
        "A study runs every method on the same targets from the same initial networks; the population risk "
        "and its gradient are integrated exactly. Start with: gfcompare run studies/quickstart.toml"
    ),
)
_out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

_StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY", help="The study file (TOML).", show_default=False)
]
_Result = Annotated[
    Path,
    typer.Argument(metavar="RESULT", help="A result file, or the folder that holds it.", show_default=False),
]
_Either = Annotated[
    Path,
    typer.Argument(
        metavar="RESULT|STUDY", help="A result (file or folder) or a study file (TOML).", show_default=False
    ),
]
_PluginFiles = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="Also load this Python file as a plugin. May be repeated."),
]

_KINDS = ("integrators", "targets", "measures", "initializations", "diagnostics", "figures")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        _out.print(f"gfcompare {__version__}")
        raise typer.Exit


@app.command()
def run(
    study: _StudyFile,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the results. Without it they go to results/, under the study's name.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Worker processes. Without it, one for each core."),
    ] = None,
    figures: Annotated[
        bool,
        typer.Option("--figures/--no-figures", help="Draw the figures, or leave that to: gfcompare plot."),
    ] = True,
    plugin: _PluginFiles = None,
) -> None:
    """Run a study, draw its figures and print what came out.

    Each finished cell (a problem, a method and a block of seeds) is kept in a file of its own. If a run is
    stopped, by Ctrl-C or otherwise, the same command goes on where it was and computes nothing twice.
    """
    _load_plugins(plugin)
    from gfcompare.runner import run_study
    from gfcompare.study import Study

    loaded = Study.from_toml(study)
    display = _Display(_err)
    try:
        outcome = run_study(loaded, output, jobs=jobs, progress=display)
    except KeyboardInterrupt:
        _err.print(
            f"Stopped. {display.finished} of {display.total} cells are finished and kept; "
            "the same command goes on from there."
        )
        raise typer.Exit(130) from None
    _print_summary(outcome.tree)
    _out.print(
        f"{_count(outcome.computed, 'cell')} computed, {outcome.reused} found finished, "
        f"{outcome.seconds:.1f} s"
    )
    _out.print(_plain(f"result   {outcome.path}"))
    if figures:
        _draw(outcome.tree, outcome.path.parent / "figures", None, _FORMATS)


_ENDS_SHOWN = 12
_FORMATS = ("png", "pdf", "svg")


@app.command()
def plot(
    result: _Result,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Draw only this figure (see: gfcompare list figures). May be repeated."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the figures. Without it, figures/ beside the result."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="EXT", help="png, pdf or svg. May be repeated; without it, all three."
        ),
    ] = None,
    plugin: _PluginFiles = None,
) -> None:
    """Draw the figures of a result again: every method in one colour, problems side by side."""
    _load_plugins(plugin)
    from gfcompare.store import open_study, result_path

    for extension in formats or ():
        if extension not in _FORMATS:
            raise unknown_name("figure format", extension, _FORMATS)
    tree = open_study(result)
    file = result_path(result) if result.is_dir() else result
    _draw(tree, output or file.parent / "figures", figure, tuple(formats) if formats else _FORMATS)


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help=f"What to list: {', '.join(_KINDS)}.", show_default=False),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the options of this one.", show_default=False)
    ] = None,
    plugin: _PluginFiles = None,
) -> None:
    """List what a study can choose from, by kind; with a name, show its options and defaults."""
    _load_plugins(plugin)
    from gfcompare.plugins import registry

    if kind not in _KINDS:
        raise unknown_name("kind", kind, _KINDS)
    if name is not None:
        _print_component(registry().get(kind, name))  # type: ignore[arg-type]
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "what it is", "from"):
        table.add_column(column, overflow="fold")
    for component in sorted(registry().all(kind), key=lambda c: c.name):  # type: ignore[arg-type]
        origin = registry().origin(kind, component.name)  # type: ignore[arg-type]
        table.add_row(
            component.name, _plain(component.summary()), _plain(f"{origin.distribution} {origin.version}")
        )
    _out.print(table)


@app.command()
def info(path: _Either, plugin: _PluginFiles = None) -> None:
    """Say what a study would run, or what a result holds and how it came out."""
    _load_plugins(plugin)
    from gfcompare.portraits import evaluation_text
    from gfcompare.store import is_result, open_study

    if is_result(path):
        tree = open_study(path)
        _out.print(f"[bold]{_plain(tree.attrs['title'])}[/bold]  {_plain(tree.attrs['description'])}")
        _out.print(
            f"made {tree.attrs['created']} with gfcompare {tree.attrs['gfcompare_version']}, "
            f"schema {tree.attrs['schema_version']}"
        )
        for name, node in tree.children.items():
            sizes = ", ".join(f"{key} {size}" for key, size in node.sizes.items())
            _out.print(f"  {_plain(name)}: {sizes}")
            _out.print(f"    {evaluation_text(node.attrs)}")
        _print_summary(tree)
        return
    from gfcompare.study import Study

    _print_study(Study.from_toml(path))


@app.command()
def validate(path: _Either, plugin: _PluginFiles = None) -> None:
    """Check a study file, or a result against the schema, and say what is wrong with it."""
    _load_plugins(plugin)
    from gfcompare.store import is_result, open_study

    if is_result(path):
        from gfcompare.schema import validate as check

        problems = check(open_study(path))
        if problems:
            raise InputError(f"{path}: not valid:\n" + "\n".join(f"  - {problem}" for problem in problems))
        _out.print(_plain(f"{path}: a valid result."))
        return
    from gfcompare.study import Study

    study = Study.from_toml(path)
    size = f"{_count(len(study.problems), 'problem')} and {_count(len(study.integrators), 'method')}"
    _out.print(_plain(f"{path}: a valid study with {size}."))


@app.command()
def plugins(plugin: _PluginFiles = None) -> None:
    """List the plugins that were found, what each supplies, and why one is not used."""
    _load_plugins(plugin)
    from rich.table import Table

    from gfcompare.plugins import registry

    found = registry()
    table = Table(box=None, pad_edge=False)
    for column in ("plugin", "distribution", "version", "supplies"):
        table.add_column(column, overflow="fold")
    for entry in found.plugins:
        supplied = [
            f"{name} ({kind})"
            for kind in _KINDS
            for name in found.names(kind)  # type: ignore[arg-type]
            if found.origin(kind, name) == entry  # type: ignore[arg-type]
        ]
        text = f"NOT USED: {entry.error}" if entry.error else ", ".join(supplied) or "commands"
        table.add_row(*map(_plain, (entry.name, entry.distribution, entry.version, text)))
    _out.print(table)


# ---------------------------------------------------------------------------------------------------
# What is shown
# ---------------------------------------------------------------------------------------------------


class _Display:
    """Progress of a run: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Any = None
        self._task: TaskID | None = None
        self._began = time.perf_counter()
        self.total = 0
        self.finished = 0
        self._trajectories = 0
        self._all_trajectories = 0
        self._reused = 0

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        """Show how much there is to do."""
        self.total, self.finished = len(cells), len(finished)
        self._reused = len(finished)
        self._trajectories = sum(len(cell.seeds) for cell in finished)
        self._all_trajectories = sum(len(cell.seeds) for cell in cells)
        if finished:
            self.note(f"{len(finished)} of {len(cells)} cells are finished already")
        if not self._console.is_terminal or len(cells) == len(finished):
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        self._progress = Progress(
            TextColumn("cells"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[trajectories]} trajectories"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeft(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(
            "", total=self.total, completed=self.finished, trajectories=self._counts()
        )
        self._progress.start()

    def _counts(self) -> str:
        return f"{self._trajectories}/{self._all_trajectories}"

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False)

    def cell_done(self, cell: Cell, seconds: float) -> None:
        """Move on by a cell."""
        self.finished += 1
        self._trajectories += len(cell.seeds)
        if self._progress is not None:
            self._progress.update(self._task, completed=self.finished, trajectories=self._counts())
            return
        elapsed = time.perf_counter() - self._began
        left = elapsed / (self.finished - self._reused) * (self.total - self.finished)
        self.note(
            f"cells {self.finished}/{self.total}, trajectories {self._counts()}, "
            f"{left:.0f} s left: {cell.label} took {seconds:.1f} s"
        )

    def end(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _plain(text: str) -> str:
    """Keep square brackets in names from being read as markup."""
    from rich.markup import escape

    return escape(text)


def _print_summary(tree: xr.DataTree) -> None:
    from rich.table import Table

    from gfcompare.report.summary import summary, unfinished

    frame = summary(tree)
    table = Table(box=None, pad_edge=False)
    table.add_column("problem", overflow="fold")
    table.add_column("method", overflow="fold")
    for column in ("final risk", "quartiles", "failed", "gradients", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    previous = None
    for (problem, method), row in zip(frame.index.tolist(), frame.to_dict("records"), strict=True):
        sampled = row["gradients"] == 0 and row["sample gradients"] > 0
        table.add_row(
            _plain(problem) if problem != previous else "",
            _plain(method),
            _number(row["median"]),
            f"{_number(row['lower'])} .. {_number(row['upper'])}",
            f"{100 * row['unfinished']:.0f} %",
            f"{row['sample gradients']:,.0f} *" if sampled else f"{row['gradients']:,.0f}  ",
            f"{row['seconds']:.2g} s",
        )
        previous = problem
    _out.print(table)
    _out.print(
        "final risk: median over all seeds; failed: seeds that diverged or failed, counted as infinite risk; "
        "gradients: evaluations for one seed, * at one sample point; time: of one core for one seed."
    )
    ends = unfinished(tree)
    for line in ends[:_ENDS_SHOWN]:
        _out.print(_plain(line))
    if len(ends) > _ENDS_SHOWN:
        _out.print(
            f"... and {len(ends) - _ENDS_SHOWN} more; the variables 'status' and 'message' have them all."
        )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < float("inf") else "inf"


def _print_study(study: Study) -> None:
    cells = study.cells()
    times = study.times.array()
    _out.print(f"[bold]{_plain(study.name)}[/bold]  {_plain(study.description)}")
    _out.print(f"{len(times)} save times from {times[0]:g} to {times[-1]:g} (flow time)")
    _out.print(f"{_count(study.seeds, 'seed')}, study seed {study.seed}, {_count(len(cells), 'cell')}")
    for spec in study.problems:
        widths = "-".join(map(str, spec.network.widths))
        _out.print(
            _plain(
                f"  problem {spec.name}: {spec.target.name}, network {widths} "
                f"({spec.network.parameter_count} parameters), "
                f"{spec.measure.name}, {spec.initialization.name}"
            )
        )
    from gfcompare.components import describe

    for name, method in study.integrators.items():
        options = ", ".join(f"{k} = {v}" for k, v in describe(method).items() if k != "name")
        _out.print(_plain(f"  method {name}: {method.name} ({options})"))


def _print_component(component: type[Any]) -> None:
    import inspect

    _out.print(f"[bold]{_plain(component.name)}[/bold]")
    _out.print(_plain(inspect.getdoc(component) or ""))
    for base in component.__mro__[1:]:  # options that a base explains
        text = inspect.getdoc(base) if "__dataclass_fields__" in vars(base) else None
        if text and "Parameters\n---" in text:
            _out.print(_plain("\n" + text[text.index("Parameters\n---") :]))
    fields = component.fields()
    if fields:
        _out.print("\nOptions and defaults")
        for name, field in fields.items():
            required = repr(field.default).startswith("<dataclasses._MISSING")
            _out.print(_plain(f"  {name} = {'(required)' if required else repr(field.default)}"))


def _draw(tree: xr.DataTree, folder: Path, names: Sequence[str] | None, formats: Sequence[str]) -> None:
    from gfcompare import figures

    paths = figures.save_all(tree, folder, names=names, formats=formats)
    stems = sorted({path.stem for path in paths})
    _out.print(_plain(f"figures  {folder}/ ({', '.join(formats)})"))
    for stem in stems:
        _out.print(f"         {stem}")


# ---------------------------------------------------------------------------------------------------
# Plugins and errors
# ---------------------------------------------------------------------------------------------------


def _load_plugins(files: list[Path] | None) -> None:
    if files:
        from gfcompare.plugins import load_file

        for file in files:
            load_file(file)


def _add_third_party_commands(arguments: Sequence[str]) -> None:
    """Add the commands of plugins, only if one of them may be meant: loading plugins takes a second."""
    first = next((a for a in arguments if not a.startswith("-")), None)
    if first in {_command_name(c) for c in app.registered_commands}:
        return
    if all(e.dist and e.dist.name == "gfcompare" for e in metadata.entry_points(group="gfcompare")):
        return
    from gfcompare.plugins import registry

    own = list(app.registered_commands)
    taken = {_command_name(c) for c in own} | {str(g.name) for g in app.registered_groups}
    for plugin, add in list(registry().commands):
        before = list(app.registered_commands)
        try:
            add(app)
            clash = taken & {_command_name(c) for c in app.registered_commands if c not in before}
            if clash:
                raise InputError(f"the command {min(clash)!r} exists already")
        except (Exception, SystemExit) as error:  # a broken plugin must not stop the others
            app.registered_commands[:] = before
            cause = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            registry().refuse(plugin, f"its commands cannot be added: {cause}")
        taken |= {_command_name(c) for c in app.registered_commands}


def _command_name(command: Any) -> str:
    return str(command.name or getattr(command.callback, "__name__", "").replace("_", "-"))


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _err.print(f"[yellow]warning:[/yellow] {_plain(str(message))}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 if all went well, 2 for a wrong input, 130 after Ctrl-C.

    1 is for what is nobody's input: workers that died, a full disk. What was computed is kept.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    warnings.showwarning = _show_warning
    try:
        _add_third_party_commands(given)
        code = app(args=given, prog_name="gfcompare", standalone_mode=True)
    except InputError as error:
        _err.print(f"[red]error:[/red] {_plain(str(error))}")
        code = 2
    except (RunError, OSError) as error:
        _err.print(f"[red]error:[/red] {_plain(str(error))}")
        code = 1
    except KeyboardInterrupt:
        _err.print("Stopped.")
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
