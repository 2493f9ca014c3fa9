"""Options of gfcompare's own components that cannot be made without any, for the checks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gfcompare import measures, targets
from gfcompare.components.component import Component
from gfcompare.hooks.hookspecs import Kind
from gfcompare.testing.sample_problems import scratch


def example(kind: Kind, cls: type[Component]) -> Any:
    """Return an object of a class, with the options of an example where it needs some."""
    options = _options().get((kind, getattr(cls, "name", "")))
    return cls() if options is None else cls(**options)


def _wave(x: Any) -> Any:
    return np.sin(3.0 * x)


def _hill(x: Any) -> Any:
    return 1.0 + x[:, 0] * x[:, 1]


@lru_cache(maxsize=1)
def _file() -> Path:
    path = scratch() / "table.csv"
    rows = [f"{x},{x * (1 - x)}" for x in (0.0, 0.2, 0.5, 0.7, 1.0)]
    path.write_text("\n".join(["x,y", *rows, ""]), encoding="utf-8")
    return path


def _options() -> dict[tuple[str, str], dict[str, Any]]:
    knots, pieces = (0.0, 0.3, 1.0), ((1.0, 2.0), (0.5, 0.0, 1.0))
    unit = measures.Uniform(0.0, 1.0)
    return {
        ("targets", "piecewise-polynomial"): {"knots": knots, "coefficients": pieces},
        ("targets", "piecewise-linear"): {"knots": knots, "values": (0.0, 1.0, 0.5)},
        ("targets", "table"): {"path": _file()},
        ("targets", "multivariate-polynomial"): {"powers": ((1, 0), (0, 2)), "coefficients": (1.0, -1.0)},
        ("targets", "radial-bump"): {"centre": (0.4, 0.6)},
        ("targets", "ridge"): {"profile": targets.Sine(), "direction": (0.6, 0.8)},
        ("targets", "product-of-sines"): {"frequency": (1.0, 0.5)},
        ("targets", "network"): {"widths": (1, 1, 1), "parameters": (1.0, -0.4, 2.0, 0.1)},
        ("targets", "function"): {"function": _wave},
        ("targets", "stack"): {"components": (targets.Sine(), targets.Step())},
        ("measures", "piecewise-polynomial"): {"knots": knots, "coefficients": pieces},
        ("measures", "density"): {"function": lambda x: 1.0 + _wave(x) ** 2},
        ("measures", "product"): {"factors": (unit, measures.TruncatedNormal())},
        ("measures", "box-density"): {"function": _hill},
        ("measures", "points"): {"data": ((0.1,), (0.4,), (0.8,)), "mass": (0.2, 0.5, 0.3)},
        ("measures", "data-set"): {"source": "diabetes"},
        ("measures", "discretized"): {"measure": unit, "count": 16},
    }
