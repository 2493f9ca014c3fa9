"""Figures of the result of a study, each a function of the tree and a component open to plugins.

``gfcompare.figures.risk(tree).savefig("risk.pdf")`` draws one, `save_all` draws every registered one. Every
function takes the options of `Shown`, by keyword, besides its own:

- problems, methods : names of those that are shown, that of a grid, such as "gd", for all of it; none means
  all;
- size : "column" (3.4 inches) or "text" (6.8 inches); by default what suits the figure;
- ax : an axis of another figure to draw into, for a figure of a single panel.

Figures of the risk and other quantities over all seeds also take those of `Drawn`:

- band : "quartiles" of the seeds, or "median" for the 95 % confidence interval of the median;
- split : small multiples, a row for each problem and a column for each method.

Importing this loads neither matplotlib nor seaborn.
"""

from __future__ import annotations

from gfcompare.figures.base import Animation, Figure, NothingToDraw, Selection
from gfcompare.figures.calls import Drawn, Shown
from gfcompare.figures.of_a_seed import (
    breakpoints,
    cylinder,
    fit,
    fit_animation,
    phase_portrait,
    principal_paths,
    snapshots,
    spectrum,
)
from gfcompare.figures.over_seeds import (
    balancedness_drift,
    distance_to_flow,
    distance_to_manifold,
    distance_to_own_flow,
    final_risk,
    gradient_norm,
    paired_differences,
    parameter_norm,
    performance_profile,
    quadrature_error,
    risk,
    risk_by_gradients,
    risk_by_option,
    risk_by_wall_time,
    test_risk,
    time_to_target,
)
from gfcompare.figures.saving import FigureWarning, save_all

__all__ = [
    "Animation",
    "Drawn",
    "Figure",
    "FigureWarning",
    "NothingToDraw",
    "Selection",
    "Shown",
    "balancedness_drift",
    "breakpoints",
    "cylinder",
    "distance_to_flow",
    "distance_to_manifold",
    "distance_to_own_flow",
    "final_risk",
    "fit",
    "fit_animation",
    "gradient_norm",
    "paired_differences",
    "parameter_norm",
    "performance_profile",
    "phase_portrait",
    "principal_paths",
    "quadrature_error",
    "risk",
    "risk_by_gradients",
    "risk_by_option",
    "risk_by_wall_time",
    "save_all",
    "snapshots",
    "spectrum",
    "test_risk",
    "time_to_target",
]
