"""Studies and results in words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gfcompare.cli.base import count, out, plain
from gfcompare.cli.layout import Column, print_table

if TYPE_CHECKING:
    import xarray as xr

    from gfcompare.study.study import Study

_ENDS_SHOWN = 12
_FILES_SHOWN = 12


def print_summary(tree: xr.DataTree) -> None:
    """Print the closing table, and what ended early."""
    from gfcompare.report.summary import summary, unfinished

    frame = summary(tree)
    columns = [Column("problem", "name"), Column("method", "name")]
    columns += map(Column, ("final risk", "quartiles", "failed", "gradients", "time"))
    rows = []
    previous = None
    for (problem, method), row in zip(frame.index.tolist(), frame.to_dict("records"), strict=True):
        sampled = row["gradients"] == 0 and row["sample gradients"] > 0
        rows.append(
            (
                plain(problem) if problem != previous else "",
                plain(method),
                _number(row["median"]),
                f"{_number(row['lower'])} .. {_number(row['upper'])}",
                f"{100 * row['unfinished']:.0f} %",
                f"{row['sample gradients']:,.0f} *" if sampled else f"{row['gradients']:,.0f}  ",
                f"{row['seconds']:.2g} s",
            )
        )
        previous = problem
    print_table(out, columns, rows)
    out.print(
        "final risk: median over all seeds; failed: seeds that diverged or failed, counted as infinite risk; "
        "gradients: evaluations for one seed, * at one sample point; time: of one core for one seed."
    )
    ends = unfinished(tree)
    for line in ends[:_ENDS_SHOWN]:
        out.print(plain(line))
    if len(ends) > _ENDS_SHOWN:
        out.print(
            f"... and {len(ends) - _ENDS_SHOWN} more; the variables 'status' and 'message' have them all."
        )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < float("inf") else "inf"


def print_study(study: Study) -> None:
    """Print what a study would run."""
    cells = study.cells()
    times = study.times.array()
    out.print(f"[bold]{plain(study.name)}[/bold]  {plain(study.description)}")
    out.print(f"{len(times)} save times from {times[0]:g} to {times[-1]:g} (flow time)")
    out.print(f"{count(study.seeds, 'seed')}, study seed {study.seed}, {count(len(cells), 'cell')}")
    for spec in study.problems:
        widths = "-".join(map(str, spec.network.widths))
        out.print(
            plain(
                f"  problem {spec.name}: {spec.target.name}, network {widths} "
                f"({spec.network.parameter_count} parameters), "
                f"{spec.measure.name}, {spec.initialization.name}"
            )
        )
        for line in str(spec.problem.evaluation).splitlines():
            out.print(plain(f"    {line}"))
    from gfcompare.components.component import describe

    for name, method in study.integrators.items():
        options = ", ".join(f"{k} = {v}" for k, v in describe(method).items() if k != "name")
        out.print(plain(f"  method {name}: {method.name} ({options})"))
    _print_hashed(study)


def _print_hashed(study: Study) -> None:
    """Print which files take part in the identity of the study's cells: when they change, it is run again."""
    from gfcompare.components import fingerprint
    from gfcompare.hooks.chosen_diagnostics import chosen
    from gfcompare.hooks.provenance import hashed_files

    out.print(
        "A finished cell is used again while options and code are the same: "
        f"gfcompare (all but {', '.join(fingerprint.READERS)}; hash {fingerprint.fingerprint()})"
    )
    used: list[Any] = [*study.integrators.values()]
    for spec in study.problems:
        used += [spec.target, spec.measure, spec.initialization]
    classes: list[type[Any]] = [*map(type, used), *chosen(study.diagnostics)]
    for cls in dict.fromkeys(classes):
        files = [f"{name} {digest}" for name, digest in hashed_files(cls).items()]
        if files:
            more = f", ... ({len(files)} files)" if len(files) > _FILES_SHOWN else ""
            out.print(plain(f"  {cls.name}: {', '.join(files[:_FILES_SHOWN])}{more}"))


def print_component(component: type[Any]) -> None:
    """Print what a component is, with its options and defaults."""
    import inspect

    from gfcompare.components.component import Component

    out.print(f"[bold]{plain(component.name)}[/bold]")
    out.print(plain(inspect.getdoc(component) or ""))
    for base in component.__mro__[1:]:  # options that a base explains
        text = inspect.getdoc(base) if "__dataclass_fields__" in vars(base) else None
        if text and "Parameters\n---" in text:
            out.print(plain("\n" + text[text.index("Parameters\n---") :]))
    fields = component.fields() if issubclass(component, Component) else {}
    if fields:
        out.print("\nOptions and defaults")
        for name, field in fields.items():
            required = repr(field.default).startswith("<dataclasses._MISSING")
            out.print(plain(f"  {name} = {'(required)' if required else repr(field.default)}"))
