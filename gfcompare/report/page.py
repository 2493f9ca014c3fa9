"""The page: everything about a result in one HTML file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from gfcompare.components.versions import VERSION
from gfcompare.figures import theme
from gfcompare.figures.data import view
from gfcompare.report.checks import condensed
from gfcompare.report.interactive import Interactive, drawn, interactive
from gfcompare.report.limits import limits
from gfcompare.report.outcomes import closing_table, counts, endings_table
from gfcompare.report.packing import data_uri, script_json
from gfcompare.report.pictures import pictures
from gfcompare.report.provenance import provenance
from gfcompare.report.summary import mistimed
from gfcompare.report.tables import from_frame, slug
from gfcompare.system.paths import user_path
from gfcompare.system.writing import write_whole

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: A page is kept below this many bytes by leaving out single seeds, and what it leaves out is said.
MOST_BYTES = 9_600_000

_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "−0123456789")

# In this order they are one script: each uses what those before it define.
_SCRIPTS = ("decode.js", "network.js", "chart.js", "curves.js", "functions.js", "page.js")


def write(
    tree: xr.DataTree,
    path: str | Path,
    *,
    checks: pd.DataFrame | None = None,
    statistics: Mapping[str, pd.DataFrame] | None = None,
    log: Callable[[str], None] | None = None,
) -> Path:
    """Write a page about a result: tables, interactive figures, what was run and how to run it again.

    It is one file below 10 MB. It needs no network, and forbids a browser to use it.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    path : the file, written in one atomic step
    checks : checks of theorems, as `gfcompare.theory.verify` returns them
    statistics : tables of statistics by title, as `gfcompare.statistics.tables` returns them
    log : receives what is being done, a line each

    Returns
    -------
    Path
        the file
    """
    html = render(tree, checks=checks, statistics=statistics, log=log)
    target = user_path(path)

    def save(temporary: Path) -> None:
        temporary.write_bytes(html.encode())

    write_whole(target, save)
    return target


def render(
    tree: xr.DataTree,
    *,
    checks: pd.DataFrame | None = None,
    statistics: Mapping[str, pd.DataFrame] | None = None,
    log: Callable[[str], None] | None = None,
) -> str:
    """Return the page as text; parameters as in `write`."""
    from plotly.offline import get_plotlyjs

    log = log or (lambda _: None)
    images, missing = pictures(tree, log)
    plotly = _script(get_plotlyjs())
    script = _script("".join(["(() => {\n", *(_asset(name) for name in _SCRIPTS), "})();\n"]))
    log("interactive figures")

    template, context = _template(), _context(tree, checks, statistics or {})
    context |= {"pictures": images, "missing": missing, "policy": _policy([plotly, script])}
    context |= {"scripts": [Markup(plotly), Markup(script)]}

    def page(found: Interactive) -> str:
        text = template.render(context, interactive=found, data=Markup(script_json(found.payload)))
        return text.lstrip()

    rest = len(page(Interactive()).encode())
    html = page(interactive(tree, max(0, MOST_BYTES - rest)))
    log(f"{len(html.encode()) / 1e6:.1f} MB")
    return html


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gfcompare.report", "assets"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["raised"] = raised
    environment.filters["csv_address"] = lambda text: data_uri(text.encode(), "text/csv;charset=utf-8")
    environment.filters["text_address"] = lambda text: data_uri(text.encode(), "text/plain;charset=utf-8")
    return environment.get_template("page.html.jinja")


def _context(
    tree: xr.DataTree, checks: pd.DataFrame | None, statistics: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """Return what the template shows of a result, but for pictures and scripts."""
    return {
        "attributes": tree.attrs,
        "version": VERSION,
        "style": Markup(_asset("page.css")),
        "provenance": provenance(tree),
        "closing": closing_table(tree),
        "counts": counts(tree),
        "endings": endings_table(tree),
        "mistimed": mistimed(tree),
        "checks": None if checks is None or checks.empty else condensed(checks),
        "limits": limits(tree),
        "statistics": [
            from_frame(frame, f"statistics-{slug(title)}", title) for title, frame in statistics.items()
        ],
        "looks": {name: drawn(look) for name, look in theme.line_styles(view(tree).all_methods).items()},
    }


def raised(text: str) -> Markup:
    """Return text as HTML with exponents as fonts set them best: 10<sup>−4</sup> for 10⁻⁴."""
    marked = re.sub(
        r"(?<=10)[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+",
        lambda found: f"<sup>{found[0].translate(_LOWERED)}</sup>",
        str(escape(text)),
    )
    return Markup(marked)


def _policy(scripts: Sequence[str]) -> str:
    """Return the policy by which a browser runs these scripts and no other, and requests nothing."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _script(text: str) -> str:
    """Return a script as a browser will read it from the page, so that its hash is the one logd."""
    return text.replace("\r\n", "\n").replace("</script", "<\\/script")


def _asset(name: str) -> str:
    return resources.files("gfcompare.report").joinpath("assets", name).read_text(encoding="utf-8")
