"""gfcompare list, info, validate and plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfcompare.cli import precision
from gfcompare.cli.base import Either, PluginFiles, app, count, load_plugins, out, plain
from gfcompare.cli.extending import add_commands
from gfcompare.cli.layout import Column, print_table
from gfcompare.cli.results import opened
from gfcompare.cli.tables import print_component, print_study, print_summary
from gfcompare.components.errors import InputError, unknown_name
from gfcompare.hooks.hookspecs import KINDS

if TYPE_CHECKING:
    from gfcompare.study.study import Study


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help=f"What to list: {', '.join(KINDS)}.", show_default=False),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the options of this one.", show_default=False)
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """List what a study can choose from, by kind; with a name, show its options and defaults."""
    load_plugins(plugin)
    from gfcompare.hooks.registry import registry

    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if name is not None:
        print_component(registry().get(kind, name))
        return
    rows = []
    for component in sorted(registry().all(kind), key=lambda c: c.name):
        origin = registry().origin(kind, component.name)
        rows.append(
            (component.name, plain(component.summary()), plain(f"{origin.distribution} {origin.version}"))
        )
    print_table(out, [Column("name", "name"), Column("what it is", "text"), Column("from", "text")], rows)


@app.command()
def info(path: Either, plugin: PluginFiles = None) -> None:
    """Say what a study would run, or what a result holds and how it came out."""
    load_plugins(plugin)
    from gfcompare.results.opening import is_result, work_precision_beside, work_precision_path
    from gfcompare.results.reading import evaluation_text

    if is_result(path):
        if (file := work_precision_path(path)) is not None:
            precision.show(file)
            return
        tree, result = opened(path, so_far=True)
        out.print(f"[bold]{plain(tree.attrs['title'])}[/bold]  {plain(tree.attrs['description'])}")
        made, version, schema = (
            tree.attrs[key] for key in ("created", "gfcompare_version", "schema_version")
        )
        out.print(plain(f"made {made} with gfcompare {version}, schema {schema}{_without_checksum(result)}"))
        for name, node in tree.children.items():
            sizes = ", ".join(f"{key} {size}" for key, size in node.sizes.items())
            out.print(f"  {plain(name)}: {sizes}")
            out.print(f"    {evaluation_text(node.to_dataset())}")
        print_summary(tree)
        if (file := work_precision_beside(path)) is not None:
            out.print()
            precision.show(file)
        return
    from gfcompare.study.study import Study

    study = Study.from_toml(path)
    print_study(study)
    _print_finished(study)


def _without_checksum(file: Path) -> str:
    """Return a remark on a file that has no checksum."""
    from gfcompare.results.netcdf import check_content

    return "" if check_content(file) == "checked" else "; it has no checksum: damage to it would not be seen"


def _print_finished(study: Study) -> None:
    """Print how much of a study is there in its folder, if it has one."""
    from gfcompare.study.unfinished import finished_cells
    from gfcompare.work_precision import FILE

    folder = Path("results") / study.name
    if folder.is_dir():
        finished, total = finished_cells(study, folder)
        out.print(plain(f"{finished} of {total} cells are finished in {folder}"))
        if (folder / FILE).is_file():
            out.print(plain(f"a work-precision study is there: gfcompare info {folder / FILE} shows it"))


@app.command()
def validate(path: Either, plugin: PluginFiles = None) -> None:
    """Check a study file, or a result against the schema, and say what is wrong with it."""
    load_plugins(plugin)
    from gfcompare.results.opening import is_result, located, open_unchecked

    if is_result(path):
        from gfcompare.results.validation import validate as check

        result = located(path)
        problems = check(open_unchecked(result))
        if problems:
            raise InputError(f"{path}: not valid:\n" + "\n".join(f"  - {problem}" for problem in problems))
        out.print(plain(f"{path}: a valid result{_without_checksum(result)}."))
        return
    from gfcompare.study.study import Study

    study = Study.from_toml(path)
    size = f"{count(len(study.problems), 'problem')} and {count(len(study.integrators), 'method')}"
    out.print(plain(f"{path}: a valid study with {size}."))


@app.command()
def plugins(plugin: PluginFiles = None) -> None:
    """List the plugins that were found, what each supplies, and why one is not used."""
    load_plugins(plugin)
    from gfcompare.hooks.registry import registry

    found = registry()
    commands = add_commands()
    columns = [
        Column("plugin", "name"),
        *(Column(c, "text") for c in ("distribution", "version", "supplies")),
    ]
    rows = []
    for entry in found.plugins:
        supplied = [
            f"{name} ({kind})"
            for kind in KINDS
            for name in found.names(kind)
            if found.origin(kind, name) == entry
        ]
        supplied += commands.get(entry, ())
        text = f"NOT USED: {entry.error}" if entry.error else ", ".join(supplied)
        rows.append(list(map(plain, (entry.name, entry.distribution, entry.version, text))))
    print_table(out, columns, rows)
