"""The figure of the part `growth`: small multiples, both axes logarithmic, slopes at the lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from gfcompare.figures import theme

Record = dict[str, Any]

OURS = "gfcompare"
#: Colours of Okabe and Ito, which colour-blind eyes tell apart, and markers.
LOOKS = {
    OURS: ("#0072B2", "o"),
    "JAX, map": ("#D55E00", "s"),
    "diffrax Tsit5": ("#009E73", "^"),
    "SciPy LSODA, our gradient and Hessian": ("#666666", "D"),
}
NAMES = {
    OURS: "gfcompare",
    "JAX, map": "JAX, 1024 points",
    "diffrax Tsit5": "diffrax Tsit5, 1024 points",
    "SciPy LSODA, our gradient and Hessian": "SciPy LSODA with gfcompare's\ngradient and Hessian",
}
#: For each panel its title and the labels of its axes.
PANELS = {
    "H": ("step of descent, 1-H-1", "hidden neurons H", "time for one network (s)"),
    "K": ("step of descent, 1-64-K", "outputs K", ""),
    "d": ("step of descent, d-64-1", "inputs d", ""),
    "seeds": ("step of descent, 1-64-1", "networks in the ensemble", "time for all networks (s)"),
    "t": ("gradient flow, 1-16-1", "flow time t", "time for one network (s)"),
}


def curves(rows: Sequence[Record], panel: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each method the values and the seconds."""
    mine = [row for row in rows if row["panel"] == panel]
    found: dict[str, dict[float, float]] = {OURS: {row["value"]: row["seconds"] for row in mine}}
    for row in mine:
        if row["peer_seconds"] is not None:
            found.setdefault(row["method"], {})[row["value"]] = row["peer_seconds"]
    return {name: (np.array(list(line)), np.array(list(line.values()))) for name, line in found.items()}


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the slope of the last three points, or of two if there are no more."""
    return float(np.polyfit(np.log(x[-3:]), np.log(y[-3:]), 1)[0])


def _draw_panel(ax: Axes, rows: Sequence[Record], panel: str) -> None:
    for name, (x, y) in curves(rows, panel).items():
        colour, marker = LOOKS[name]
        ax.plot(x, y, color=colour, marker=marker, markersize=3.2)
        if len(x) > 1:
            ax.annotate(
                f"{slope(x, y):.1f}",
                (x[-1], y[-1]),
                xytext=(4, 0),
                textcoords="offset points",
                color=colour,
                va="center",
            )
    title, xlabel, ylabel = PANELS[panel]
    ax.set(xscale="log", yscale="log", title=title, xlabel=xlabel, ylabel=ylabel)
    low, high = ax.get_xlim()
    ax.set_xlim(low, high * (high / low) ** 0.12)
    bottom, top = (np.log10(limit) for limit in ax.get_ylim())
    if top - bottom < 1.5:  # whole decades, or the ticks have no room
        ax.set_ylim(10.0 ** np.floor(bottom), 10.0 ** np.ceil(top))
        ax.yaxis.set_minor_formatter(NullFormatter())
    if panel in ("K", "d"):
        values = sorted({row["value"] for row in rows if row["panel"] == panel})
        ax.set_xticks(values, [f"{value:g}" for value in values])
        ax.set_xticks([], minor=True)
    ax.spines[["top", "right"]].set_visible(False)


def draw(rows: Sequence[Record], target: Path) -> Path:
    """Draw the figure into a file."""
    with theme.context():
        figure, axes = plt.subplots(2, 3, figsize=(theme.TEXT_WIDTH, 4.2), layout="constrained")
        *panels, last = axes.flat
        for ax, panel in zip(panels, PANELS, strict=True):
            _draw_panel(ax, rows, panel)
        last.set_axis_off()
        handles = [
            plt.Line2D([], [], color=colour, marker=marker, markersize=3.2, label=NAMES[name])
            for name, (colour, marker) in LOOKS.items()
        ]
        last.legend(
            handles=handles,
            loc="center",
            frameon=False,
            title="numbers at the lines:\nslope of the last three points",
        )
        target.parent.mkdir(exist_ok=True)
        figure.savefig(target, dpi=200)
        plt.close(figure)
    return target
