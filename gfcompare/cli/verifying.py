"""gfcompare verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gfcompare.cli.base import Jobs, PluginFiles, Result, app, count, err, load_plugins, out, plain
from gfcompare.cli.layout import Column, print_table
from gfcompare.cli.results import opened
from gfcompare.system.progress import activity

if TYPE_CHECKING:
    import pandas as pd

# Failures that are shown one by one.
_SHOWN = 12


@app.command()
def verify(
    result: Result,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Follow the flows anew from the states of the first N seeds. The other checks look at all.",
        ),
    ] = 16,
    every: Annotated[bool, typer.Option("--all", help="Follow the flows anew for every seed.")] = False,
    jobs: Jobs = None,
    plugin: PluginFiles = None,
) -> None:
    """Check whether every trajectory obeys the theorems: energy identity, balancedness, boundedness, rates.

    The flows are re-integrated from every saved state, by another solver. What was found is added to the
    result file, as variables over check, integrator and seed; docs/theory.md says what each check is. The
    exit code is 1 if any check fails.
    """
    load_plugins(plugin)
    from gfcompare import theory
    from gfcompare.results import store
    from gfcompare.results.opening import check_version

    tree, file = opened(result)

    def show(done: int, total: int) -> None:
        log(f"{done} of {total} trajectories checked")

    check_version(file, tree.attrs, to_write=True)
    with activity(err, "making the problems again") as log:
        frame = theory.verify(tree, seeds=None if every else seeds, jobs=jobs, progress=show)
    _print_table(theory.condensed(frame))
    _print_left_out(theory.left_out(frame))
    missing = theory.seeds_left_out(frame)
    if missing:
        out.print(
            f"flow, speed, energy and lyapunov were checked for {count(seeds, 'seed')}, and not for seeds "
            f"{missing[0]} to {missing[-1]}; --all checks every seed"
        )
    failures = frame[frame["outcome"] == theory.FAIL]
    for row in failures.head(_SHOWN).to_dict("records"):
        where = f"{row['problem']} / {row['integrator']} / seed {row['seed']}"
        out.print(
            f"[red]fail[/red] {row['check']}: {plain(where)}: {row['residual']:.3g} against "
            f"{row['tolerance']:.3g}: {plain(row['detail'])} ({plain(row['reference'])})"
        )
    if len(failures) > _SHOWN:
        out.print(f"... and {len(failures) - _SHOWN} more; the variable 'theory_outcome' has them all.")
    store.add(file, theory.variables(frame, tree), "check", tree)
    passed = int((frame["outcome"] == theory.PASS).sum())
    out.print(plain(f"{count(passed, 'check')} passed, {len(failures)} failed; added to {file}"))
    if len(failures):
        raise typer.Exit(1)


def _print_table(frame: pd.DataFrame) -> None:
    """Print a row for each check and method."""
    columns = [Column("check", "name"), Column("method", "name")]
    columns += map(Column, ("passed", "failed", "left out", "residual", "tolerance"))
    columns.append(Column("nearest to failing", "text"))
    rows = []
    previous = None
    for row in frame.to_dict("records"):
        rows.append(
            (
                plain(row["check"]) if row["check"] != previous else "",
                plain(row["method"]),
                str(row["passed"]),
                f"[red]{row['failed']}[/red]" if row["failed"] else "0",
                str(row["left out"]),
                f"{row['residual']:.2g}",
                f"{row['tolerance']:.2g}",
                plain(f"{row['problem']}, seed {row['seed']}"),
            )
        )
        previous = row["check"]
    print_table(out, columns, rows)
    out.print(
        "passed, failed, left out: trajectories of all problems and seeds; residual and tolerance: of the "
        "one nearest to failing."
    )


def _print_left_out(frame: pd.DataFrame) -> None:
    """Print why checks were left out, the checks of one reason together."""
    if frame.empty:
        return
    out.print("left out, with the number of trajectories:")
    for (reason, methods), part in frame.groupby(["reason", "methods"], sort=False):
        checks, most = ", ".join(dict.fromkeys(part["check"])), part["trajectories"].max()
        out.print(plain(f"  {reason}: {checks} of {methods} ({most})"))
