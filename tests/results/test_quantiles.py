"""The one definition of medians and quartiles over seeds, against numpy's and in its limit at infinity."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import examples

import gfcompare as gfc
from gfcompare.figures import data
from gfcompare.report.curves import over_seeds
from gfcompare.report.summary import summary
from gfcompare.results.quantiles import median, quantile
from gfcompare.statistics.final_values import median_risks
from gfcompare.statistics.intervals import kaplan_meier
from gfcompare.statistics.intervals import median as with_interval

PROPERTY = examples(100)
NUMBERS = st.floats(-1e6, 1e6)


@PROPERTY
@given(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 9)), elements=NUMBERS), st.floats(0, 1))
def test_it_is_that_of_numpy(values, share):
    expected = np.quantile(values, share, axis=1)
    assert np.allclose(quantile(values, share), expected, rtol=1e-12, atol=1e-9)
    assert np.allclose(quantile(values.T, share, 0), expected, rtol=1e-12, atol=1e-9)


@PROPERTY
@given(
    arrays(np.float64, st.integers(1, 9), elements=NUMBERS),
    st.integers(0, 4),
    st.sampled_from([0.25, 0.5, 0.75]),
)
def test_infinite_is_the_limit_of_large(values, ended, share):
    """With 1e200 in place of infinity, by numpy: what is beyond all finite values is infinite."""
    every = np.append(values, np.full(ended, np.inf))
    expected = np.quantile(np.append(values, np.full(ended, 1e200)), share)
    found = float(quantile(every, share))
    assert found == (np.inf if expected > 1e100 else pytest.approx(expected, rel=1e-12, abs=1e-9))


def test_what_has_no_value():
    assert np.isnan(quantile(np.full((2, 4), np.nan), 0.5)).all()
    assert np.isnan(quantile(np.empty((2, 0)), 0.5)).all()
    assert median([3.0, np.nan, 1.0, np.nan]) == 2.0
    assert np.isnan(median([-np.inf, np.inf]))
    assert median([-np.inf, -np.inf, 3.0, np.inf]) == -np.inf


@PROPERTY
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=12), st.integers(0, 5))
def test_times_to_a_target_have_the_same_median(times, never):
    """Kaplan and Meier's estimate without censoring."""
    every = np.append(times, np.full(never, np.inf))
    found = kaplan_meier(every, np.isfinite(every)).median()
    assert found.value == pytest.approx(median(every), rel=1e-12)
    assert found.low <= found.value <= found.high


@PROPERTY
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=5), st.integers(0, 4))
def test_estimates_have_the_same_median(values, ended):
    every = np.append(values, np.full(ended, np.inf))
    assert with_interval(every).value == median(every)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two methods, eight seeds; of the first the three of the highest risks diverge half-way."""
    study = gfc.Study(
        "medians",
        targets={"cubic": gfc.targets.Polynomial([0.3, 4, -12, 8])},
        integrators={"gd": gfc.integrator("gd", step_size=0.05), "flow": gfc.integrator("standard-gf")},
        network=gfc.ReLUNetwork((1, 8, 1)),
        times=gfc.Times(start=1.0, end=30.0, count=12),
        seeds=8,
    )
    result = study.run(tmp_path_factory.mktemp("medians") / "result", jobs=1)
    group = result["cubic"].to_dataset().copy(deep=True)
    for seed in np.argsort(group["risk"].values[0, :, -1])[-3:]:
        group["status"][0, seed] = gfc.Status.DIVERGED
        for name in ("risk", "gradient_norm", "flow_time", "wall_time"):
            group[name][0, seed, 7:] = np.nan
        for name in ("gradient_evaluations", "sample_gradients"):
            group[name][0, seed, 7:] = -1
    return xr.DataTree.from_dict({"/": result.to_dataset(), "cubic": group})


def test_table_figure_report_and_xarray_agree(tree):
    group = tree["cubic"].to_dataset()
    final = group["risk"].isel(time=-1)
    expected = [np.sort(row)[3:5].mean() for row in final.fillna(np.inf).values]
    assert np.isfinite(expected).all()
    table = summary(tree)
    np.testing.assert_allclose(table["median"], expected, rtol=1e-14)
    np.testing.assert_allclose(median_risks(group), expected, rtol=1e-14)
    curves = data.curves(group, "risk", "flow_time")
    report = over_seeds(group, "risk")
    for k, method in enumerate(("gd", "flow")):
        one = curves[curves["method"] == method]
        assert one["median"].iloc[-1] == pytest.approx(expected[k], rel=1e-14)
        assert report["median"][k, -1] == pytest.approx(expected[k], rel=1e-14)
        assert one["upper"].iloc[-1] == report["upper"][k, -1] == table["upper"].iloc[k]
    assert list(np.isinf(table["upper"])) == [True, False]
    assert table["median"].iloc[1] == pytest.approx(float(final[1].median("seed")), rel=1e-14)
    # Those that are left have a lower median than all.
    assert float(final[0].median("seed")) < expected[0]
    assert np.isnan(float(final[0].median("seed", skipna=False)))


def test_an_infinite_quartile_leaves_the_axis(tree):
    """In the band and in the box it is beyond the axis, which ends where the finite values do."""
    figure = gfc.figures.risk(tree, methods=["gd"])
    panel = next(ax for ax in figure.axes if ax.get_visible())
    high = panel.get_ylim()[1]
    tops = [path.vertices[:, 1].max() for band in panel.collections for path in band.get_paths()]
    assert max(tops) > high
    assert np.isfinite(tops).all()
    # The axis has no room for what the survivors do not need.
    finite = tree["cubic"]["risk"].values[0]
    assert high < 10.0 * np.nanmax(finite)
    figure = gfc.figures.final_risk(tree, methods=["gd"])
    panel = next(ax for ax in figure.axes if ax.get_visible())
    box = next(patch for patch in panel.patches if patch.get_width() > 0)
    assert box.get_x() + box.get_width() > panel.get_xlim()[1]
    lower = np.quantile(np.nan_to_num(tree["cubic"]["risk"].values[0, :, -1], nan=1e200), 0.25)
    assert box.get_x() == pytest.approx(lower, rel=1e-12)
