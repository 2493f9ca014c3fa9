"""gfcompare check: the conformance suite on what a plugin supplies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gfcompare.cli.base import PluginFiles, app, count, load_plugins, out, plain
from gfcompare.cli.drawing import toml_value
from gfcompare.components.errors import InputError, unknown_name
from gfcompare.hooks.hookspecs import KINDS, Kind

if TYPE_CHECKING:
    from gfcompare.testing.records import Outcome, Report

_COLOURS = {"passed": "green", "failed": "red", "waived": "yellow", "not applicable": "dim"}


@app.command()
def check(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="What to check; without it, all that the files of --plugin supply.",
            show_default=False,
        ),
    ] = None,
    plugin: PluginFiles = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help=f"Only this kind: {', '.join(KINDS)}."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of it, as in a study file. May be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Make this check only. May be repeated."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Check all that is installed, gfcompare's own included.")
    ] = False,
) -> None:
    """Check that a method, target, measure, ... keeps the contract of plugins; exit code 1 if it does not."""
    load_plugins(plugin)
    from gfcompare.testing.suite import CHECKS, conformance, subject_of

    options = _options(option or ())
    chosen = _chosen(name, kind, plugin or [], every)
    _check_names(only or (), {each for each, _ in chosen})
    failed = 0
    for subject in [subject_of(each, _made(each, cls, options) if options else cls) for each, cls in chosen]:
        wanted = [key for key in only or () if key in [check.name for check in CHECKS[subject.kind]]]
        if only and not wanted:
            continue
        report = conformance(subject, only=wanted)
        _print(report)
        failed += len(report.failed)
    if failed:
        out.print(f"{count(failed, 'check')} failed.")
        raise typer.Exit(1)


def _chosen(
    name: str | None, kind: str | None, files: list[Path], every: bool
) -> list[tuple[Kind, type[Any]]]:
    """Return what is to be checked, with its kind."""
    from gfcompare.hooks.registry import registry
    from gfcompare.testing.suite import CHECKS

    kind = f"{kind}s" if f"{kind}s" in CHECKS else kind
    if kind is not None and kind not in CHECKS:
        raise unknown_name("kind", kind, CHECKS).within("--kind")
    kinds = [each for each in CHECKS if kind in (None, each)]
    found = registry()
    if name is not None and every:
        raise InputError(f"--all checks everything: leave out {name!r}, or --all.")
    if every:
        return [(each, cls) for each in kinds for cls in found.all(each)]
    if name is None:
        if not files:
            raise InputError(
                "say what to check: gfcompare check NAME, or gfcompare check --plugin FILE, or --all."
            )
        origins = {str(file.resolve()) for file in files}
        chosen = [
            (each, cls)
            for each in kinds
            for cls in found.all(each)
            if found.origin(each, cls.name).distribution in origins
        ]
        if not chosen:
            of = f" of kind {kind}" if kind else ", commands aside,"
            raise InputError(f"{', '.join(map(str, files))}: supplies nothing{of} that can be checked.")
        return chosen
    chosen = [(each, found.get(each, name)) for each in kinds if name in found.names(each)]
    if not chosen:
        known = {each for which in kinds for each in found.names(which)}
        raise unknown_name(kind.removesuffix("s") if kind else "component", name, known)
    return chosen


def _check_names(only: Iterable[str], kinds: set[Kind]) -> None:
    """Raise InputError for a check that none of the kinds has."""
    from gfcompare.testing.suite import CHECKS

    known = sorted({check.name for kind in kinds for check in CHECKS[kind]})
    for name in only:
        if name not in known:
            raise unknown_name(f"check of {' and '.join(sorted(kinds))}:", name, known).within("--only")


def _options(given: Iterable[str]) -> dict[str, Any]:
    """Return options as a study file would have them; the quotes of text may be left out."""
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--option {text!r}: expected KEY=VALUE, such as step_size=0.1.")
        if key.strip() == "name":
            raise InputError("--option: the name is no option: it is the argument NAME.")
        found[key.strip()] = toml_value(value)
    return found


def _made(kind: Kind, cls: type[Any], options: dict[str, Any]) -> Any:
    """Return an object of a class with these options, read as those of a study file are."""
    from gfcompare.hooks.plain_data import component

    if kind == "evaluators":
        raise InputError(f"--option: the evaluator {cls.name!r} has no options; --kind chooses what has.")
    return component(kind, {"name": cls.name} | options, "--option")


def _print(report: Report) -> None:
    """Print how the checks of a component have ended: what is only passed on one line."""
    out.print(f"[bold]{plain(report.name)}[/bold] ({report.kind})")
    for outcome in report.outcomes:
        out.print(_line(outcome))


def _line(outcome: Outcome) -> str:
    colour = _COLOURS[outcome.ending]
    ending = outcome.ending.upper() if outcome.ending == "failed" else outcome.ending
    message = f": {plain(outcome.message)}" if outcome.message else ""
    return f"  [{colour}]{ending:<15}[/{colour}] {outcome.check.name}{message}"
