"""Printed forms of a problem, a study and a figure, without a notebook."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import gfcompare as gfc
from gfcompare.hooks.registry import registry


def test_a_problem_is_told_in_a_line() -> None:
    problem = gfc.Problem(
        gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Polynomial([0.3, 4]), gfc.measures.Uniform()
    )
    assert repr(problem) == (
        "<Problem: network 1-3-1, 10 parameters; target polynomial(coefficients=[0.3, 4]); "
        "measure uniform(lower=0.0, upper=1.0); integrated exactly>"
    )


def test_long_options_are_cut_and_not_spelt_out() -> None:
    points = np.random.default_rng(0).normal(size=(100_000, 2))
    problem = gfc.Problem(
        gfc.ReLUNetwork((2, 3, 1)), gfc.targets.RadialBump([0.0, 0.0]), gfc.measures.Points(points)
    )
    text = repr(problem)
    assert len(text) < 400
    assert "\n" not in text
    assert "sums over 100000 points" in text
    assert "function(function=<Python " in repr(
        gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Function(lambda x: x), gfc.measures.Uniform())
    )


def test_a_study_has_a_line_for_each_problem_and_method(small_study: gfc.Study) -> None:
    lines = repr(small_study).splitlines()
    assert lines[0] == "<Study 'small': seeds 18, save times 5 from 0 to 100, cells 24"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  problem 'sine'",
        "  problem 'step'",
        *(f"  method {name!r}" for name in small_study.integrators),
    ]
    assert "network 1-4-1, 13 parameters; target sine(amplitude=1.0" in lines[1]
    assert lines[5].endswith("gd(step_size=0.05, normalize=False)")


# ---------------------------------------------------------------------------------------------------
# Figures in scripts
# ---------------------------------------------------------------------------------------------------


def test_without_windows_show_says_so(small_tree: xr.DataTree) -> None:
    figure = gfc.figures.risk(small_tree)
    with pytest.warns(UserWarning, match=r"nothing is shown: .* Save the figure: figure\.savefig"):
        figure.show()
    figure.show(warn=False)


@pytest.mark.thorough
def test_show_opens_a_window_of_the_figure(small_folder: Path, tmp_path: Path) -> None:
    """With a backend that has windows, one that draws nothing on a screen: the figure is the one shown."""
    (tmp_path / "windows.py").write_text(
        textwrap.dedent(
            """
            from matplotlib.backend_bases import FigureManagerBase
            from matplotlib.backends.backend_agg import FigureCanvasAgg

            shown = []

            class FigureManager(FigureManagerBase):
                @classmethod
                def pyplot_show(cls, *, block=None):
                    from matplotlib._pylab_helpers import Gcf
                    shown.extend(m.canvas.figure for m in Gcf.get_all_fig_managers())

            class FigureCanvas(FigureCanvasAgg):
                manager_class = FigureManager
            """
        )
    )
    script = f"""
        import matplotlib
        matplotlib.use("module://windows")
        import gfcompare as gfc
        figure = gfc.figures.risk(gfc.open_study({str(small_folder)!r}))
        figure.show()
        figure.show()
        import windows
        assert [f is figure for f in windows.shown] == [True, True], windows.shown
        figure.savefig("risk.png")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "risk.png").stat().st_size > 1000


# ---------------------------------------------------------------------------------------------------
# Help
# ---------------------------------------------------------------------------------------------------

FUNCTIONS = [
    name for name in gfc.figures.__all__ if name.islower() and name not in ("save_all", "fit_animation")
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_lists_every_option_of_a_figure(name: str) -> None:
    """The options and their defaults are those of the figure's class; every one is explained."""
    function = getattr(gfc.figures, name)
    signature = inspect.signature(function)
    cls = registry().get("figures", name)
    expected = {key: field.default for key, field in cls.fields().items()} | {"ax": None}
    given = {key: p.default for key, p in signature.parameters.items() if key != "tree"}
    assert given == expected
    text = inspect.getdoc(function) or ""
    explained = {
        word for line in text.splitlines() if " : " in line for word in line.split(" : ")[0].split(", ")
    }
    assert explained == {"tree", *expected}
    assert "options" not in signature.parameters
    assert text.count("Parameters\n----------") == 1
