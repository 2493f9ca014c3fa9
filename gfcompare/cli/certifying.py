"""gfcompare certify."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfcompare.cli.base import Jobs, PluginFiles, Result, a_path, app, err, load_plugins, out, plain
from gfcompare.cli.results import opened
from gfcompare.cli.tabulating import show
from gfcompare.system.progress import activity

if TYPE_CHECKING:
    import pandas as pd

# What has been proved is written to the file so many seconds apart.
_SECONDS = 60.0
# Trajectories whose reason is shown.
_SHOWN = 20


@app.command()
def certify(
    result: Result,
    at: Annotated[
        float | None,
        typer.Option("--time", metavar="T", help="Save time of the states. Without it, the last one."),
    ] = None,
    jobs: Jobs = None,
    again: Annotated[bool, typer.Option("--again", help="Prove everything, also what is proved.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(parser=a_path, metavar="DIR", help="Also write the tables there, as CSV and LaTeX."),
    ] = None,
    plugin: PluginFiles = None,
) -> None:
    """Prove where trajectories go: the exact flow from each end state, in ball arithmetic.

    For networks with one input, one hidden layer and one output. The limit's risk is enclosed, critical
    points are told apart, and what is not proved has a reason; docs/certificates.md has the argument. What
    was found is added to the result, also if it is interrupted, and not proved again. Needs
    gfcompare[certify].
    """
    load_plugins(plugin)
    from gfcompare import certificates
    from gfcompare.results import store
    from gfcompare.results.opening import check_version

    tree, file = opened(result)
    check_version(file, tree.attrs, to_write=True)
    written = [time.monotonic()]
    latest: list[pd.DataFrame] = []

    def write(frame: pd.DataFrame) -> None:
        store.add(file, certificates.variables(frame, tree), "certified_time", tree)
        written[0] = time.monotonic()
        latest.clear()

    def say(done: int, total: int) -> None:
        log(f"{done} of {total} trajectories")

    def keep(frame: pd.DataFrame) -> None:
        latest[:] = [frame]
        if time.monotonic() > written[0] + _SECONDS:
            write(frame)

    with activity(err, "rebuilding the problems") as log:
        try:
            frame = certificates.certify(
                tree,
                time=at,
                jobs=jobs,
                again=again,
                progress=say,
                keep=keep,
            )
        except KeyboardInterrupt:
            if latest:
                write(latest[0])
            raise
    write(frame)
    _print(frame, output)
    proven = frame[frame["verdict"] == certificates.Verdict.LIMIT_PROVEN.word]
    distinct = len(proven.groupby(["problem", "critical_point"]))
    out.print(
        plain(
            f"{len(proven)} of {len(frame)} trajectories have a proved limit, {distinct} of them distinct; "
            f"added to {file}"
        )
    )


def _print(frame: pd.DataFrame, output: Path | None) -> None:
    """Print tables, and write them."""
    from gfcompare import certificates
    from gfcompare.statistics import save

    tables = {"Certificates": certificates.verdicts(frame)}
    if (frame["critical_point"] >= 0).any():
        tables["Critical points"] = certificates.limits(frame)
    for title, table in tables.items():
        show(title, table)
    reasons = certificates.reasons(frame)
    for row in reasons.head(_SHOWN).to_dict("records"):
        where = f"{row['problem']} / {row['integrator']} / seed {row['seed']}"
        out.print(plain(f"{where}: {row['verdict']}: {row['reason']}"))
    if len(reasons) > _SHOWN:
        out.print(f"... and {len(reasons) - _SHOWN} more; the variable 'certificate_reason' has them all.")
    if output is not None:
        if len(reasons):
            tables["Certificates without a limit"] = reasons.set_index("problem")
        save(tables, output, formats=("csv", "tex"))
        out.print(plain(f"tables   {output}/ (csv, tex)"))
