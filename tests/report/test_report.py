"""Content of the report page: its tables and data against the result, and the command."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support import in_process

from gfcompare import cli, figures
from gfcompare.figures import data
from gfcompare.figures.one_trajectory import typical_seed
from gfcompare.report import (
    checks,
    curves,
    interactive,
    outcomes,
    packing,
    page,
    provenance,
    selection,
    tables,
)
from gfcompare.report.summary import summary
from gfcompare.theory import CHECKS, variables, verify

Write = Callable[..., Path]


def few_checks(tree: xr.DataTree) -> pd.DataFrame:
    """Two checks of every trajectory: one always passes, one fails for a seed; neither is for all methods."""
    rows = []
    for problem, node in tree.children.items():
        for method in node["integrator"].values:
            for seed in node["seed"].values:
                flow = str(method).endswith("-gf")
                for check, tolerance in (("energy", 1e-6), ("balancedness", 1e-8)):
                    failed = check == "balancedness" and seed == 3 and method == "standard-gf"
                    rows.append(
                        {
                            "problem": problem,
                            "integrator": str(method),
                            "seed": int(seed),
                            "check": check,
                            "residual": tolerance * (2.0 if failed else 0.01 * (1 + seed))
                            if flow
                            else np.nan,
                            "tolerance": tolerance if flow else np.nan,
                            "outcome": ("fail" if failed else "pass") if flow else "does not apply",
                            "detail": "at t = 1" if flow else "not a flow",
                            "reference": "arXiv:1806.00900",
                        }
                    )
    return pd.DataFrame(rows)


# ---------------------------------------------------------------------------------------------------
# What the page holds
# ---------------------------------------------------------------------------------------------------


@given(npst.arrays(np.float64, npst.array_shapes(max_dims=3, max_side=4)))
def test_packed_arrays_come_back(values: np.ndarray) -> None:
    found = packing.packed(values, "f8")
    again = np.frombuffer(base64.b64decode(found["base64"]), "<f8").reshape(found["shape"])
    np.testing.assert_array_equal(again, values)
    assert len(found["base64"]) == packing.packed_size(values.shape, "f8")


@given(st.text())
def test_json_in_a_script_cannot_end_it(text: str) -> None:
    written = packing.script_json({text: [text]})
    assert "<" not in written
    assert json.loads(written) == {text: [text]}


def test_medians_are_those_of_the_figures(small_tree: xr.DataTree) -> None:
    for node in small_tree.children.values():
        group = node.to_dataset()
        for quantity in ("risk", "gradient_norm"):
            found = curves.over_seeds(group, quantity)
            for clock in curves.CLOCKS:
                table = data.curves(group, quantity, clock)
                kept = np.isfinite(found["median"]) & (found[clock] > 0)
                for name, column in (
                    ("median", "median"),
                    ("lower", "lower"),
                    ("upper", "upper"),
                    (clock, "x"),
                ):
                    np.testing.assert_array_equal(found[name][kept], table[column])


@pytest.mark.thorough
def test_clocks_and_quantities_are_named_as_in_the_figures(small_tree: xr.DataTree) -> None:
    group = next(iter(small_tree.children.values())).to_dataset()
    drawn = {
        "flow_time": figures.risk(small_tree),
        "gradients": figures.risk_by_gradients(small_tree),
        "wall_time": figures.risk_by_wall_time(small_tree),
    }
    found = curves.curves(group, ["risk"], [0])
    for clock in found["clocks"]:
        assert clock["label"] == drawn[clock["key"]].get_supxlabel()
    assert found["quantities"][0]["label"] == " ".join(drawn["flow_time"].get_supylabel().split())


@pytest.mark.thorough
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_seed_has_a_rank_and_the_first_ones_stand_for_all(count: int, state: int) -> None:
    rng = np.random.default_rng(state)
    risk = rng.permutation(count).astype(float)
    seeds = rng.permutation(100)[:count]
    group = xr.Dataset(
        {
            "risk": (("integrator", "seed", "time"), risk[None, :, None]),
            "status": (("integrator", "seed"), np.ones((1, count), dtype=np.int8)),
        },
        coords={"integrator": ["gd"], "seed": seeds, "time": [1.0]},
    )
    ranked = selection.ranked_seeds(group)
    assert sorted(ranked) == sorted(seeds)
    assert ranked[0] == typical_seed(group)
    assert {seeds[risk.argmin()], seeds[risk.argmax()]} <= set(ranked[:3])
    ranks = np.sort([risk[list(seeds).index(seed)] for seed in ranked[: max(3, count // 2)]])
    if count >= 8:  # no gap between those kept is as wide as between the first three
        assert np.diff(ranks).max() <= count / 2


@pytest.mark.thorough
def test_many_seeds_stay_below_the_limit_and_it_says_which_are_there(small_tree: xr.DataTree) -> None:
    rng = np.random.default_rng(3)
    groups = {}
    for name, node in small_tree.children.items():
        group = node.to_dataset()
        times = np.concatenate([[0.0], np.geomspace(0.1, 100.0, 120)])
        group = group.isel(time=np.searchsorted(group["time"].values, times).clip(0, 4)).assign_coords(
            time=times
        )
        parts = [group.assign_coords(seed=group["seed"].values + 100 * k) for k in range(30)]
        many = xr.concat(
            parts, "seed", data_vars="minimal", coords="minimal", compat="override", join="exact"
        )
        many["risk"] = many["risk"] * rng.uniform(0.5, 2.0, many["risk"].shape)
        groups[f"/{name}"] = many
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=small_tree.attrs), **groups})
    names = curves.quantities(group)
    medians, one = curves.curves_size(many, names, 0), curves.curves_size(many, names, 1)
    room = 2 * (medians + 30 * (one - medians))
    found = interactive.interactive(tree, room)
    assert len(packing.script_json(found.payload)) < 1.05 * room
    (remark,) = found.curve_remarks
    for problem in found.payload["problems"]:
        assert problem["seed_count"] == 540
        assert 1 < len(problem["seeds"]) < 540
        assert f"{', '.join(map(str, problem['seeds']))} of {problem['name']}" in remark
        assert len(problem["functions"]["seeds"]) < 540
    assert "chosen by the ranks" in found.function_remarks[-1]


def test_a_small_page_keeps_the_risk_and_a_large_network_fewer_times(small_tree: xr.DataTree) -> None:
    everything = interactive.interactive(small_tree, 10**9).payload["problems"][0]
    little = interactive.interactive(small_tree, 2 * 9000)
    names = [found["key"] for found in everything["quantities"]]
    kept = [found["key"] for found in little.payload["problems"][0]["quantities"]]
    assert names[0] == "risk"
    assert kept == names[: len(kept)]
    assert len(kept) < len(names)
    assert any(names[-1] in remark for remark in little.curve_remarks)
    assert little.payload["problems"][0]["functions"]["reason"] == "has too many parameters for this page"
    fewer = interactive.interactive(small_tree, 2 * 45_000)
    times = fewer.payload["problems"][0]["functions"]["times"]
    assert len(everything["functions"]["times"]) == 5
    assert 3 <= len(times) <= 5


def test_closing_table_is_the_summary(small_tree: xr.DataTree) -> None:
    frame, table = summary(small_tree), outcomes.closing_table(small_tree)
    assert table.csv == frame.reset_index().to_csv(index=False, lineterminator="\n")
    shown = {tuple(row[:2]): row for row in table.rows}
    assert list(shown) == frame.index.tolist()
    for key, row in frame.iterrows():
        assert shown[key][2] == tables.real(row["median"])  # type: ignore[index]
    assert shown["sine", "gd[step 5]"][2:5] == ["∞", "∞ – ∞", "100\u202f%"]
    assert shown["sine", "sgd"][5].endswith("*")
    assert not shown["sine", "standard-gf"][5].endswith("*")


def test_endings_have_every_outcome_and_message(small_tree: xr.DataTree) -> None:
    table = outcomes.endings_table(small_tree)
    frame = pd.read_csv(io.StringIO(table.csv))
    assert len(frame) == 2 * 6 * 18
    assert dict(frame["status"].value_counts()) == {
        words.replace(" ", "_"): count for words, count, _ in outcomes.counts(small_tree)
    }
    (row,) = [row for row in table.rows if row[0] == "sine" and row[2] == "diverged"]
    assert row[1:5] == ["gd[step 5]", "diverged", "18", "0–17"]
    assert row[6].startswith("seed 0: |theta| left 1e+10")


def test_seeds_in_short() -> None:
    assert outcomes.numbers(pd.Series([3, 1, 0, 2, 7, 9, 10])) == "0–3, 7, 9–10"
    assert outcomes.numbers(pd.Series(range(0, 40, 2))).endswith("12, …")


def test_checks_are_condensed_without_losing_a_failure(small_tree: xr.DataTree) -> None:
    frame = few_checks(small_tree)
    found = checks.condensed(frame)
    counted = frame["outcome"].value_counts()
    numbers = (counted["pass"], counted["fail"], counted["does not apply"])
    assert (found.passed, found.failed, found.left_out) == numbers
    assert found.failed == 2
    rows = {tuple(row[:2]): list(row[2:]) for row in found.table.rows}
    assert len(rows) == 2 * 2  # checks, flows; both problems together
    # Of those that pass, the one nearest to failing: the last seed.
    energy = ["36", "0", "0", tables.real(1.8e-7), tables.real(1e-6), "sine, seed 17"]
    assert rows["energy", "standard-gf"] == energy
    balancedness = ["34", "2", "0", tables.real(2e-8), tables.real(1e-8), "sine, seed 3"]
    assert rows["balancedness", "standard-gf"] == balancedness
    assert pd.read_csv(io.StringIO(found.table.csv)).shape == frame.shape
    assert [row[3] for row in found.details.rows if row[6] == "fail"] == ["3", "3"]
    assert len(found.details.rows) == 2 * 2 * 2
    others = "gd[step 0.05], gd[step 5], gd on M, sgd"
    assert found.inapplicable.rows[1] == ["energy", "not a flow", others, tables.cell(2 * 4 * 18)]
    (said,) = [check.statement for check in CHECKS if check.name == "energy"]
    assert found.statements[0] == ("energy", f"{said}. arXiv:1806.00900.")


def test_many_checks_keep_failures_and_the_nearest(small_tree: xr.DataTree) -> None:
    frame = few_checks(small_tree)
    parts = [frame.assign(seed=frame["seed"] + 100 * k, detail="x" * 200) for k in range(10)]
    found = checks.condensed(pd.concat(parts))
    kept = pd.read_csv(io.StringIO(found.table.csv))
    assert len(kept) < len(frame)
    assert (kept["outcome"] == "fail").sum() == found.failed == 20
    assert "only failures and those nearest to failing" in found.table.notes[0]


def test_checks_that_apply_to_nothing_are_tables_too(small_tree: xr.DataTree) -> None:
    frame = few_checks(small_tree)
    found = checks.condensed(frame[frame["outcome"] == "does not apply"])
    assert (found.passed, found.failed) == (0, 0)
    assert found.table.rows == found.details.rows == []
    assert [row[0] for row in found.inapplicable.rows] == ["balancedness", "energy"]


@pytest.mark.thorough
def test_stored_checks_are_used(small_tree: xr.DataTree) -> None:
    assert checks.stored(small_tree) is None
    frame = verify(small_tree, seeds=1)
    groups = {
        f"/{name}": small_tree[name].to_dataset().merge(found, combine_attrs="override")
        for name, found in variables(frame, small_tree).items()
    }
    tree = xr.DataTree.from_dict({"/": small_tree.to_dataset(), **groups})
    found = checks.stored(tree)
    assert found is not None
    pd.testing.assert_frame_equal(found[frame.columns], frame, check_dtype=False)


def test_any_table_is_shown() -> None:
    frame = pd.DataFrame(
        {
            "problem": ["a,b", "a,b", "<c>"],
            "method": ["gd", "sgd", "gd"],
            "seeds": [12345, 2, 3],
            "median": [1e-7, np.inf, 2.0],
            "median from": [1e-8, 1.0, np.nan],
            "median to": [1e-6, np.inf, np.nan],
            "clock": ["x", "y", "y"],
        }
    ).set_index(["problem", "method"])
    frame.attrs["note"] = "What it means."
    table = tables.from_frame(frame, "any", "Any.", most=2)
    assert table.head == ["problem", "method", "seeds", "median", "95 % interval", "clock"]
    assert [row[:3] for row in table.rows] == [["a,b", "gd", "12,345"], ["a,b", "sgd", "2"]]
    assert table.numeric == [False, False, True, True, True, False]
    assert (table.methods, table.more, table.notes) == (1, 1, ("What it means.",))
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(table.csv), index_col=[0, 1]), frame, check_dtype=False
    )
    plain = tables.from_frame(frame.reset_index(), "any", "Any.")
    assert [row[0] for row in plain.rows] == ["a,b", "a,b", "<c>"]


def test_cells_are_read_at_a_glance() -> None:
    shown = [
        tables.cell(value) for value in (True, np.int64(1234567), 1e-7, -0.5, np.nan, -np.inf, None, "a")
    ]
    assert shown == ["yes", "1\u202f234\u202f567", "10⁻⁷", "−0.5", "", "−∞", "", "a"]
    assert str(page.raised("<i> 2 × 10⁻⁷")) == "&lt;i&gt; 2 × 10<sup>−7</sup>"
    assert tables.slug('é "A"/b.c') == "a-b.c"


def test_what_was_run_says_once_what_problems_share(small_tree: xr.DataTree) -> None:
    found = provenance.provenance(small_tree)
    assert dict(found.facts)["network"] == "1-4-1, 13 parameters"
    assert dict(found.facts)["input measure"] == "uniform (lower = 0, upper = 1)"
    assert found.problems.head == ["problem", "target"]
    assert [row[0] for row in found.problems.rows] == ["sine", "step"]
    assert found.commands == ""  # made in Python
    assert json.loads(found.source)["seeds"] == 18
    small_tree.attrs["study_source"] = "name = 'é'\n"
    again = provenance.provenance(small_tree)
    assert again.commands == "gfcompare run small.toml\ngfcompare report results/small"
    assert again.source == "name = 'é'\n"
    one = provenance.provenance(
        xr.DataTree.from_dict({"/": small_tree.to_dataset(), "/sine": small_tree["sine"]})
    )
    assert one.facts[:2] == [
        ("problem", "sine"),
        ("target", "sine (amplitude = 1, frequency = 1, phase = 0, offset = 0)"),
    ]
    assert not one.problems.rows


# ---------------------------------------------------------------------------------------------------
# The command
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_command_writes_beside_the_result_or_where_it_is_told(
    small_folder: Path, tmp_path: Path, study_file: Write
) -> None:
    result = tmp_path / "result.nc"
    shutil.copy(small_folder / "result.nc", result)
    done = in_process("report", result)
    assert done.returncode == 0, done.stderr
    written = tmp_path / "report.html"
    assert re.fullmatch(rf"report   {re.escape(str(written))} \([0-9.]+ MB\)\n", done.stdout)
    assert "figure 1 of " in done.stderr
    assert written.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert written.stat().st_size < 10e6


def test_command_refuses_what_is_no_page_and_no_result(
    small_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "study.toml"
    kept.write_text("mine")
    for arguments, message in (
        ([small_folder, "--output", kept], "its name must end with .html"),
        ([small_folder, "--output", tmp_path], "its name must end with .html"),
        ([tmp_path], "no result at"),
    ):
        with pytest.raises(SystemExit) as caught:
            cli.main(["report", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, "")
        assert message in " ".join(err.split())
    assert kept.read_text() == "mine"
