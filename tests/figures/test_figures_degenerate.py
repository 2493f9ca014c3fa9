"""Figures of results in which nothing moves, all is 0 or no time passes: drawn, or left out with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gfcompare as gfc
from gfcompare import figures
from gfcompare.figures import portraits
from gfcompare.hooks import registry

ZERO = gfc.targets.Constant(value=0.0)
NOTHING = gfc.initializations.Normal(scale=1e-300)

DEGENERATE: dict[str, dict[str, Any]] = {
    "risk 0": {"targets": {"zero": ZERO}, "initialization": NOTHING, "times": gfc.Times(end=10.0, count=4)},
    "one of two": {
        "targets": {"zero": ZERO, "sine": gfc.targets.Sine()},
        "initialization": NOTHING,
        "times": gfc.Times(end=10.0, count=4),
    },
    "no time": {"targets": {"sine": gfc.targets.Sine()}, "times": gfc.Times(values=(0.0, 1e-12))},
    "one time": {"targets": {"sine": gfc.targets.Sine()}, "times": gfc.Times(values=(1.0,))},
}


@pytest.mark.thorough
@pytest.mark.parametrize("case", DEGENERATE)
def test_every_figure_is_drawn_or_left_out_with_a_reason(case: str, tmp_path: Path) -> None:
    methods = {"flow": gfc.integrator("standard-gf"), "gd": gfc.integrator("gd", step_size=0.05)}
    options = {"network": gfc.ReLUNetwork((1, 2, 1)), "seeds": 2} | DEGENERATE[case]
    tree = gfc.Study("s", integrators=methods, **options).run(tmp_path, jobs=1)
    names = [cls.name for cls in registry.registry().all("figures") if cls.name != "animation"]
    said: list[str] = []
    written = figures.save_all(tree, tmp_path / "f", names=names, formats=["svg"], log=said.append)
    left_out = {line.split(":")[0] for line in said if ": skipped: " in line}
    assert {path.stem for path in written} | left_out == set(names)  # a failure is a warning, thus an error
    assert {"risk", "phase_portrait", "principal_paths"} <= {path.stem for path in written}


@pytest.mark.parametrize(("low", "high"), [(1e-300, 1e300), (1e-16, 1.0), (1.0, 1.0), (0.3, 0.3000001)])
def test_heights_of_contours_increase_and_cover_the_risk(low: float, high: float) -> None:
    heights = portraits.levels(low, high)
    assert (np.diff(heights) > 0).all()
    assert heights[0] < low
    assert heights[-1] > high
