"""Modules that a figure needs once it is drawn, imported at their first use.

A figure is one file, which every command loads as a plugin: numpy, pandas, seaborn and matplotlib
must wait until it is drawn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import seaborn as sns

    from gfcompare.figures import (
        axes_data,
        data,
        legends,
        log_axes,
        marks,
        page,
        page_layout,
        small_multiples,
        theme,
    )
else:

    class _Lazy:
        """Stands for a module, imported when an attribute of it is read."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, key: str) -> Any:
            return getattr(importlib.import_module(self._name), key)

    np, pd, sns = _Lazy("numpy"), _Lazy("pandas"), _Lazy("seaborn")
    axes_data = _Lazy("gfcompare.figures.axes_data")
    data = _Lazy("gfcompare.figures.data")
    legends = _Lazy("gfcompare.figures.legends")
    log_axes = _Lazy("gfcompare.figures.log_axes")
    marks = _Lazy("gfcompare.figures.marks")
    page = _Lazy("gfcompare.figures.page")
    page_layout = _Lazy("gfcompare.figures.page_layout")
    small_multiples = _Lazy("gfcompare.figures.small_multiples")
    theme = _Lazy("gfcompare.figures.theme")

__all__ = [
    "axes_data",
    "data",
    "legends",
    "log_axes",
    "marks",
    "np",
    "page",
    "page_layout",
    "pd",
    "small_multiples",
    "sns",
    "theme",
]
