"""gfcompare landscape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfcompare.cli.base import Either, PluginFiles, a_path, app, load_plugins, out, plain
from gfcompare.cli.results import opened
from gfcompare.cli.tabulating import show
from gfcompare.components.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from gfcompare.certificates import Landscape


@app.command()
def landscape(
    path: Either,
    output: Annotated[
        Path | None,
        typer.Option(parser=a_path, metavar="DIR", help="Also write the table there, as CSV and LaTeX."),
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """List all critical points of networks with one or two neurons, and prove that there are no others.

    For polynomial targets and densities on an interval, in ball arithmetic; docs/certificates.md says what is
    enumerated and what is not. Of a result that `gfcompare certify` has certificates of, it also counts the
    trajectories that go to each. Needs gfcompare[certify].
    """
    load_plugins(plugin)
    found, reasons, frame = _found(path)
    for name, reason in reasons.items():
        if not found:
            raise InputError(f"problem {name!r}: {reason}.")
        out.print(plain(f"{name}: left out: {reason}."))
    from gfcompare import certificates

    table = certificates.landscape_table(found, frame)
    show("Critical points", table)
    for name, one in found.items():
        _say(name, one)
    for sentence in next(iter(found.values())).not_enumerated:
        out.print(plain(f"not enumerated: {sentence}"))
    if output is not None:
        from gfcompare.statistics import save

        save({"Landscape": table}, output, formats=("csv", "tex"))
        out.print(plain(f"table    {output}/ (csv, tex)"))


def _found(path: Path) -> tuple[Mapping[str, Landscape], Mapping[str, str], pd.DataFrame | None]:
    """Return landscapes by problem, why others have none, and the certificates of a result."""
    from gfcompare import certificates
    from gfcompare.certificates.landscape import not_covered
    from gfcompare.results.opening import is_result

    if is_result(path):
        tree, _ = opened(path)
        return *certificates.landscapes(tree), certificates.of_tree(tree)
    from gfcompare.study.study import Study

    problems = Study.from_toml(path).components.problems
    reasons = {name: reason for name, problem in problems.items() if (reason := not_covered(problem))}
    found = {
        name: certificates.landscape(problem) for name, problem in problems.items() if name not in reasons
    }
    return found, reasons, None


def _say(name: str, found: Landscape) -> None:
    """Print whether a list is proved to be complete."""
    if found.complete:
        count = len(found.points)
        out.print(
            plain(f"{name}: {count} critical points, proved to be all with {found.hidden} neurons or fewer")
        )
        return
    out.print(plain(f"{name}: others are not excluded:"))
    for text in found.undecided:
        out.print(plain(f"  {text}"))
