"""Direct labels: the name of a line beside its end, where that reads better than a legend."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from gfcompare.figures import theme
from gfcompare.figures.theme import LineStyle

# Height of a line of text in inches, and how far from the end of its line a name may be put.
_LINE, _FURTHEST = 0.13, 0.1
# Longer names take more room than a legend.
_LONGEST = 24


def spread(positions: ArrayLike, gap: float) -> NDArray[np.float64]:
    """Return positions moved as little as possible, in least squares, until neighbours are `gap` apart."""
    given = np.asarray(positions, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = gap * np.arange(len(given))
    moved = np.empty_like(given)
    moved[order] = isotonic_regression(given[order] - steps).x + steps
    return moved


def places(ends: Mapping[str, float], height: float) -> dict[str, float]:
    """Return where names go beside the ends of lines, as shares of a panel's height; none if too close.

    Parameters
    ----------
    ends : for each name the end of its line, a share of the height
    height : of the panel, in inches
    """
    if len(ends) < 2 or max(map(len, ends)) > _LONGEST:
        return {}
    moved = spread(list(ends.values()), _LINE / height)
    if np.abs(moved - list(ends.values())).max() * height > _FURTHEST:
        return {}
    return dict(zip(ends, moved.tolist(), strict=True))


def write(axes: Axes, found: Mapping[str, float], styles: Mapping[str, LineStyle]) -> None:
    """Write names at the right of a panel, at heights from `places`, in the colours of their lines."""
    for name, y in found.items():
        axes.annotate(
            theme.escaped(name),
            (1.0, y),
            xytext=(1, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="left",
            va="center",
            color=styles[name].ink,
            fontsize=theme.SMALL,
            annotation_clip=False,
        )
