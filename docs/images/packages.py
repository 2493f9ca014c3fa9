"""Draw the packages of gfcompare in the order of pyproject.toml: python docs/images/packages.py."""

from __future__ import annotations

import tomllib
from pathlib import Path

HERE = Path(__file__).parent

#: What each layer is about.
ABOUT = {
    "cli": "commands",
    "report": "one HTML page about a result",
    "testing": "the checks that a plugin author runs",
    "figures": "data, drawing, public functions",
    "theory": "what is read off results",
    "study": "what is run, the file, the runner",
    "results": "the netCDF-4 file: schema, reading, writing",
    "hooks": "what plugins can supply; the registry",
    "diagnostics": "quantities along trajectories",
    "integrators": "methods, flows, solvers, the loop",
    "critical_points": "normal forms of states",
    "problem": "network, target and measure: risk, gradient",
    "evaluators": "one way of evaluating a problem each",
    "targets": "what is learnt, from where",
    "network": "layout of the parameters, realisation",
    "piecewise": "piecewise polynomials, antiderivatives",
    "system": "threads, paths, tables, terminals",
    "components": "options, errors, identity of code",
    "kernels": "compiled: arrays in, arrays out",
}


def main() -> None:
    """Write packages.svg beside this file."""
    settings = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = [[n.strip() for n in row.split("|") if not n.strip().startswith("(")] for row in layers]
    rows = [row for row in rows if row]
    height, width = 34, 760
    total = height * len(rows) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" font-family="sans-serif" '
        'font-size="14" role="img"><title>Packages of gfcompare: each imports only those below it</title>',
        f'<rect width="{width}" height="{total}" fill="#ffffff"/>',
        f'<path d="M20 15V{total - 20}m-5 -9l5 9l5 -9" fill="none" stroke="#555"/>',
    ]
    for number, row in enumerate(rows):
        y, each = 15 + height * number, 396 / len(row)
        for place, name in enumerate(row):
            x = 44 + place * each
            parts.append(
                f'<rect x="{x:.0f}" y="{y}" width="{each - 6:.0f}" height="{height - 6}" rx="4" '
                'fill="#e8eef6" stroke="#4c72b0"/>'
                f'<text x="{x + each / 2 - 3:.0f}" y="{y + 19}" text-anchor="middle">{name}</text>'
            )
        parts.append(f'<text x="450" y="{y + 19}" fill="#444">{ABOUT[row[0]]}</text>')
    (HERE / "packages.svg").write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
