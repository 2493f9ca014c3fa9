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

from gfcompare.figures.balancedness_drift import balancedness_drift
from gfcompare.figures.base import Animation, Figure, NothingToDraw
from gfcompare.figures.breakpoints import breakpoints
from gfcompare.figures.cylinder import cylinder
from gfcompare.figures.distance_to_flow import distance_to_flow
from gfcompare.figures.distance_to_manifold import distance_to_manifold
from gfcompare.figures.distance_to_own_flow import distance_to_own_flow
from gfcompare.figures.final_risk import final_risk
from gfcompare.figures.fit import fit
from gfcompare.figures.fit_animation import fit_animation
from gfcompare.figures.gradient_norm import gradient_norm
from gfcompare.figures.landscape import landscape
from gfcompare.figures.limits import limits
from gfcompare.figures.options import Drawn, Shown
from gfcompare.figures.paired_differences import paired_differences
from gfcompare.figures.parameter_norm import parameter_norm
from gfcompare.figures.performance_profile import performance_profile
from gfcompare.figures.phase_portrait import phase_portrait
from gfcompare.figures.principal_paths import principal_paths
from gfcompare.figures.quadrature_error import quadrature_error
from gfcompare.figures.risk import risk
from gfcompare.figures.risk_by_gradients import risk_by_gradients
from gfcompare.figures.risk_by_option import risk_by_option
from gfcompare.figures.risk_by_wall_time import risk_by_wall_time
from gfcompare.figures.risk_of_test_points import test_risk
from gfcompare.figures.saving import FigureWarning, save_all
from gfcompare.figures.selection import Selection
from gfcompare.figures.snapshots import snapshots
from gfcompare.figures.spectrum import spectrum
from gfcompare.figures.time_to_target import time_to_target

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
    "landscape",
    "limits",
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
