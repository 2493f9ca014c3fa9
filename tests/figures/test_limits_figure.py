"""The figure of limits: marks, counts, what is left out; and the section of the report."""

from __future__ import annotations

import importlib

import pytest
import xarray as xr

import gfcompare as gfc
from gfcompare import certificates, figures
from gfcompare.report import limits as section

module = importlib.import_module("gfcompare.figures.limits")  # the package has its function by this name


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    """Return trajectories of a flow with certificates, as a result."""
    import numpy as np

    problem = gfc.Problem(
        gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), gfc.measures.Uniform()
    )
    start = np.stack(
        [gfc.initializations.He().draw(problem.network, np.random.default_rng(s)) for s in range(6)]
    )
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-8), start, [0.0, 1e2, 1e6])
    return certificates.certified(data)


def test_marks_count_the_seeds_of_each_kind(tree):
    name = next(iter(tree.children))
    found = module.table(tree[name].to_dataset())
    frame = certificates.of_tree(tree)
    assert frame is not None
    proven = frame[frame["verdict"] == "limit-proven"]
    assert found["proven"].sum() == len(proven) > 2
    assert found["proven"].sum() + found["near"].sum() == (frame["critical_point"] >= 0).sum()
    assert set(found.loc[found["proven"] > 0, "kind"]) == {"minimum"}
    assert found["risk"].is_monotonic_increasing
    figure = figures.limits(tree)
    assert figure.axes
    offsets = [len(c.get_offsets()) for c in figure.axes[0].collections]
    assert sum(offsets) == (found["proven"] > 0).sum() + (found["near"] > 0).sum()


def test_saddles_and_degenerate_points_have_marks_of_their_own(tree):
    name = next(iter(tree.children))
    data = tree[name].to_dataset().copy(deep=True)
    verdict, index = data["certificate_verdict"].values, data["certificate_index"].values
    verdict[...] = certificates.Verdict.CRITICAL_POINT_ONLY
    index[..., 0], index[..., 1:] = 2, -1
    data["certificate_critical_point"].values[...] = list(range(6))
    changed = xr.DataTree.from_dict({"/": tree.to_dataset(), name: data})
    found = module.table(data)
    assert set(found["kind"]) == {"saddle", "degenerate"}
    legends = figures.limits(changed).legends
    labels = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert any("saddle" in label for label in labels)
    assert any("degenerate" in label for label in labels)


def test_without_certificates_there_is_nothing_to_draw(tree):
    name = next(iter(tree.children))
    bare = tree[name].to_dataset().drop_dims("certified_time")
    assert not module.Limits.applies(bare)
    without = xr.DataTree.from_dict({"/": tree.to_dataset(), name: bare})
    with pytest.raises(figures.NothingToDraw):
        figures.limits(without)
    assert section.limits(without) is None


def test_the_report_has_the_tables_of_certificates(tree):
    found = section.limits(tree)
    assert found is not None
    assert found.total == 6
    assert 0 < found.distinct <= found.proven <= 6
    assert [table.key for table in found.tables] == ["certificates", "critical-points"]
    assert all(table.csv for table in found.tables)
    assert (found.reasons is None) == (found.proven == 6)
