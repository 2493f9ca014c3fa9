"""gfcompare diagnose."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated

import typer

from gfcompare.cli.base import PluginFiles, Result, app, err, load_plugins, out, plain
from gfcompare.cli.results import opened
from gfcompare.system.progress import activity

if TYPE_CHECKING:
    import xarray as xr


@app.command()
def diagnose(
    result: Result,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Diagnostics to be added (see: gfcompare list diagnostics).",
            show_default=False,
        ),
    ],
    plugin: PluginFiles = None,
) -> None:
    """Add diagnostics to a result, computed from the states that it has; no trajectory is computed again.

    The exit code is 1 if a diagnostic raised an error: it is NaN in the result then.
    """
    load_plugins(plugin)
    from gfcompare.hooks.chosen_diagnostics import DiagnosticWarning
    from gfcompare.results import store
    from gfcompare.results.opening import check_version
    from gfcompare.study.diagnosing import additions

    tree, file = opened(result)
    check_version(file, tree.attrs, to_write=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with activity(err, "rebuilding the problems") as log:
            added = additions(tree, names, progress=lambda text: log(plain(text)))
    for warning in caught:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    # No dimension is theirs alone: what has the same name is replaced.
    store.add(file, added, "", tree)
    _print(added)
    out.print(plain(f"added to {file}"))
    if any(issubclass(warning.category, DiagnosticWarning) for warning in caught):
        raise typer.Exit(1)


def _print(added: dict[str, xr.Dataset]) -> None:
    """Print what was added to each problem."""
    for problem, data in added.items():
        for name, variable in data.data_vars.items():
            sizes = ", ".join(f"{key} {size}" for key, size in variable.sizes.items())
            unit = variable.attrs["units"]
            about = variable.attrs["long_name"] + (f", {unit}" if unit != "1" else "")
            out.print(plain(f"{problem}: {name} ({sizes}): {about}"))
