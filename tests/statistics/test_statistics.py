"""Statistics over seeds: against hand-computed and published numbers, theorems, and simulation."""

import dataclasses
import itertools
import math
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure as MatplotlibFigure
from scipy import stats
from support import PATIENCE, ROOT, examples, in_process, refused

from gfcompare import figures, statistics
from gfcompare.components.errors import InputError
from gfcompare.integrators.status import Status
from gfcompare.report.tables import from_frame
from gfcompare.results.clocks import CLOCKS
from gfcompare.statistics import intervals, printing, profiles, writing
from gfcompare.statistics.reaching import chosen_targets

TIMES = np.array([0.0, 1.0, 10.0, 100.0])
END = Status.REACHED_END


def group(risks, status=None, *, gradients=None, sampled=(), times=TIMES, **variables):
    """Return a problem's group: risks by method, an array (seed, time) each, NaN after an early end."""
    risk = np.array(list(risks.values()), dtype=float)
    methods, seeds, _ = risk.shape
    over = ("integrator", "seed", "time")
    clock = np.where(np.isnan(risk), np.nan, times)
    counts = np.where(np.isnan(risk), -1, clock if gradients is None else gradients).astype(np.int64)
    none = np.where(np.isnan(risk), -1, 0)
    by_samples = np.isin(list(risks), sampled)[:, None, None]
    given_status = np.full((methods, seeds), END.value)
    for (method, seed), value in (status or {}).items():
        given_status[list(risks).index(method), seed] = value.value
    return xr.Dataset(
        {
            "risk": (over, risk, {"long_name": "population risk", "units": "output^2"}),
            "flow_time": (over, clock, {"long_name": "flow time", "units": "parameter^2 / risk"}),
            "wall_time": (over, clock / 1000, {"long_name": "wall time", "units": "s"}),
            "gradient_evaluations": (over, np.where(by_samples, none, counts)),
            "sample_gradients": (over, np.where(by_samples, counts, none)),
            "status": (("integrator", "seed"), given_status.astype(np.int8)),
        }
        | {name: (over, np.asarray(values, dtype=float)) for name, values in variables.items()},
        coords={"integrator": list(risks), "seed": np.arange(seeds), "time": times},
    )


def tree_of(**groups):
    return xr.DataTree.from_dict({name.replace("_", " "): data for name, data in groups.items()})


def falling(*ends, start=1.0):
    """Return risks (seed, time) that fall from `start` to the given ends at equal steps of log risk."""
    return np.array([np.geomspace(start, end, len(TIMES)) for end in ends])


def ended(risk, *, at=2):
    """Return risks without values from a save time on."""
    return np.where(np.arange(len(TIMES)) < at, risk, np.nan)


# Medians


finite_or_not = st.floats(-20, 20) | st.sampled_from([np.inf, -np.inf, 0.0])


@pytest.mark.parametrize("count", range(6, 65))
def test_the_interval_of_a_median_covers_it_by_the_binomial_distribution(count):
    """It does unless fewer than k of n seeds lie below the median, or above; with k + 1 too seldom."""
    found = intervals.median(np.arange(count, dtype=np.float64))
    k = int(found.low) + 1
    assert found.high == count - k
    missed = [2 * sum(math.comb(count, i) for i in range(n)) / 2**count for n in (k, k + 1)]
    assert missed[0] <= 0.05 < missed[1]


@examples(30)
@given(arrays(np.float64, st.tuples(st.just(2), st.integers(1, 40), st.just(3)), elements=st.floats(-9, 9)))
def test_the_interval_of_a_median_is_that_of_scipy(values):
    low, high = intervals.median_interval(values, 1)
    for i, k in np.ndindex(2, 3):
        expected = stats.quantile_test(values[i, :, k], p=0.5).confidence_interval(0.95)
        np.testing.assert_equal((low[i, k], high[i, k]), (expected.low, expected.high))


def test_the_interval_of_a_median_leaves_out_what_has_no_value():
    values = np.arange(24.0).reshape(2, 12)
    values[0, 5:] = np.nan
    values[1, ::2] = np.nan
    low, high = intervals.median_interval(values)
    np.testing.assert_equal(low, [np.nan, 13.0])
    np.testing.assert_equal(high, [np.nan, 23.0])


@examples(40)
@given(st.lists(finite_or_not, min_size=1, max_size=12), st.randoms())
def test_a_median_lies_in_its_interval_whatever_the_order(values, random):
    found = intervals.median(np.array(values))
    shuffled = list(values)
    random.shuffle(shuffled)
    again = intervals.median(np.array(shuffled))
    np.testing.assert_equal(dataclasses.astuple(again), dataclasses.astuple(found))
    if len(values) < 6:
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    else:
        assert found.low <= found.value <= found.high


def test_a_median_knows_one_zero():
    found = intervals.median(np.array([0.0, -0.0, -0.0, -0.0, -0.0, -0.0, 0.0]))
    assert not np.signbit(dataclasses.astuple(found)).any()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([np.inf] * 4 + [1.0] * 3, np.inf),
        ([np.inf] * 3 + [1.0] * 4, 1.0),
        ([-np.inf] * 7 + [np.inf], -np.inf),
        ([-np.inf] * 4 + [np.inf] * 4, 0.0),
        ([1.0] * 4 + [np.inf] * 4, np.inf),
        ([0.0] * 9, 0.0),
    ],
)
def test_medians_of_values_some_of_them_infinite(values, expected):
    assert intervals.median(np.array(values)).value == expected


def test_intervals_of_values_most_of_them_the_same():
    assert intervals.median(np.zeros(9)) == intervals.Estimate(0.0, 0.0, 0.0)
    assert intervals.median(np.full(9, np.inf)) == intervals.Estimate(np.inf, np.inf, np.inf)
    found = intervals.median(np.array([0.0] * 9 + [np.inf] * 7))
    assert (found.value, found.low, found.high) == (0.0, 0.0, np.inf)


def mixtures(rng, count):
    """Yield samples with their true medians: symmetric, skewed, heavy-tailed, one in five infinite."""
    yield rng.standard_normal(count), 0.0
    yield rng.lognormal(size=count), 1.0
    yield rng.standard_cauchy(count), 0.0
    sample = rng.standard_normal(count)
    yield np.where(rng.random(count) < 0.2, np.inf, sample), stats.norm.ppf(0.5 / 0.8)


@pytest.mark.sampled
@pytest.mark.parametrize("count", [6, 8, 12, 18, 32])
def test_intervals_cover_the_median(count):
    rng = np.random.default_rng(count)
    covered = []
    for _ in range(400):
        for sample, true in mixtures(rng, count):
            found = intervals.median(sample)
            covered.append(found.low <= true <= found.high)
    # Exactly 96.9 % of 6, 99.2 % of 8, 96.1 % of 12, 96.9 % of 18, 98.0 % of 32; three errors of a share.
    exact = 1 - 2 * stats.binom.cdf(intervals.median(np.arange(float(count))).low, count, 0.5)
    assert abs(np.mean(covered) - exact) <= 3 * math.sqrt(exact * (1 - exact) / len(covered))


# Shares


@pytest.mark.parametrize(("count", "total"), [(0, 8), (3, 8), (8, 8), (1, 64)])
def test_interval_of_a_share_solves_the_equation_of_wilson(count, total):
    found = intervals.share(count, total)
    z = stats.norm.ppf(0.975)
    for end in (found.low, found.high):
        inside = 0 < end < 1
        if inside:
            assert abs(count / total - end) == pytest.approx(z * math.sqrt(end * (1 - end) / total))
        else:
            assert end == found.value


# Shares that grow with time


def test_kaplan_meier_on_the_trial_of_freireich():
    """Remission times of leukemia patients, doi:10.1182/blood.V21.6.699.699; the textbook estimates."""
    reached = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    times = np.array(reached + censored, dtype=float)
    steps = statistics.kaplan_meier(times, np.arange(21) < 9)
    at = dict(zip(steps.times, 1 - steps.share, strict=True))
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448, 35: 0.448}
    for time, share in published.items():
        assert at[time] == pytest.approx(share, abs=5e-4)
    assert steps.median().value == 23
    # Greenwood's formula for log(-log), at 10: three of 21, one of 17 and one of 15 events.
    survival = 18 / 21 * 16 / 17 * 14 / 15
    error = math.sqrt(3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)) / abs(math.log(survival))
    low, high = (survival ** math.exp(s * stats.norm.ppf(0.975) * error) for s in (-1, 1))
    k = list(steps.times).index(10)
    assert 1 - steps.low[k] == pytest.approx(low, rel=1e-12)
    assert 1 - steps.high[k] == pytest.approx(high, rel=1e-12)


def test_without_censoring_it_is_the_share_of_all_seeds():
    times = np.array([3.0, 1.0, np.inf, 2.0, np.inf])
    steps = statistics.kaplan_meier(times, np.isfinite(times))
    assert steps.times.tolist() == [1, 2, 3]
    assert steps.share == pytest.approx([0.2, 0.4, 0.6])
    assert steps.median().value == 3
    assert steps.before == intervals.share(0, 5).high


def test_where_all_or_none_get_there_the_interval_is_that_of_wilson():
    every = statistics.kaplan_meier(np.arange(1.0, 9.0), np.ones(8, dtype=bool))
    assert every.share[-1] == 1.0
    assert (every.low[-1], every.high[-1]) == (intervals.share(8, 8).low, 1.0)
    none = statistics.kaplan_meier(np.full(8, np.inf), np.zeros(8, dtype=bool))
    assert none.times.size == 0
    assert none.median().value == np.inf
    stopped = statistics.kaplan_meier(np.arange(1.0, 9.0), np.zeros(8, dtype=bool))
    assert not stopped.share.any()
    assert stopped.high[0] == intervals.share(0, 8).high
    assert stopped.median().high == np.inf


@pytest.mark.thorough
@examples(60)
@given(st.data(), st.integers(1, 12))
def test_shares_grow_between_their_bounds_whatever_the_order(data, count):
    times = data.draw(arrays(float, count, elements=st.sampled_from([0.0, 1.0, 2.0, 3.5, 50.0, np.inf])))
    reached = data.draw(arrays(bool, count)) & np.isfinite(times)
    steps = statistics.kaplan_meier(times, reached)
    assert (np.diff(steps.share) >= 0).all()
    for values in (steps.low, steps.high):
        assert (np.diff(values) >= 0).all()
    assert (steps.low <= steps.share + 1e-12).all()
    assert (steps.share <= steps.high + 1e-12).all()
    order = data.draw(st.permutations(range(count)))
    shuffled = statistics.kaplan_meier(times[order], reached[order])
    np.testing.assert_equal(dataclasses.asdict(shuffled), dataclasses.asdict(steps))
    longer = statistics.kaplan_meier(4 * times, reached)
    assert np.array_equal(longer.times, 4 * steps.times)
    assert np.array_equal(longer.share, steps.share)


@pytest.mark.thorough
@pytest.mark.parametrize("count", [8, 20])
def test_intervals_cover_the_median_time(count):
    """93 to 97 %, as docs/statistics.md says, up to three errors of a share of 800 samples."""
    coverage = pytest.importorskip("benchmarks.coverage", reason="not in the package")
    for limit in ("stopped at a uniform time up to 2", "stopped at a constant rate, mean 4"):
        assert 0.905 <= coverage.covered(limit, count, 800) <= 0.985


# When a target is reached


@examples(50)
@given(st.floats(0.3, 3.0), st.floats(-7, -0.2), st.integers(3, 40))
def test_a_power_law_is_crossed_where_it_is_whatever_the_save_times(power, exponent, count):
    times = np.concatenate([[0.0], np.geomspace(0.5, 1e3, count)])
    risk = np.minimum(2.0, np.where(times > 0, np.maximum(times, 1e-9), 0.5) ** -power)
    data = group({"a": risk[None, :]}, times=times)
    target = 10.0**exponent
    found = statistics.first_reach(data, target, "flow_time")
    exact = target ** (-1 / power)
    assert found.reached[0, 0] == (risk[-1] <= target)
    if found.reached[0, 0] and exact > times[2]:  # before, the initial risk takes part
        assert found.times[0, 0] == pytest.approx(exact, rel=1e-9)


def test_from_clock_zero_risks_fall_exponentially():
    data = group({"a": np.array([[1.0, math.exp(-3.0), 1e-3, 1e-4]])})
    assert statistics.first_reach(data, math.exp(-1.2), "flow_time").times[0, 0] == pytest.approx(0.4)


def test_what_becomes_of_seeds_that_do_not_get_there():
    high = falling(0.5)[0]
    risks = np.array([high, ended(high), ended(high), ended(high), high, falling(1e-3)[0], [1e-9] * 4])
    status = {
        ("a", 1): Status.DIVERGED,
        ("a", 2): Status.STEP_LIMIT,
        ("a", 3): Status.FAILED,
        ("a", 4): Status.STATIONARY,
    }
    data = group({"a": risks}, status)
    found = statistics.first_reach(data, 0.01, "flow_time")
    assert found.reached[0].tolist() == [False] * 5 + [True] * 2
    assert found.times[0].tolist() == pytest.approx([np.inf, np.inf, 1.0, np.inf, np.inf, 10.0, 0.0])
    assert np.flatnonzero(found.censored[0]).tolist() == [2]


def test_a_trajectory_that_got_there_before_it_diverged_got_there():
    risk = np.array([[1.0, 1e-3, np.inf, np.nan], [np.inf, 1e-3, 1e-4, 1e-5]])
    data = group({"a": risk}, {("a", 0): Status.DIVERGED})
    found = statistics.first_reach(data, 0.01, "wall_time")
    assert found.reached.all()
    assert (found.times <= 1e-3).all()


def test_a_plateau_passed_in_few_gradients_is_not_forgotten():
    """Half of the seeds stay on a plateau, at a tenth of the gradients: the median is not reached."""
    risks = np.concatenate([falling(*[1e-4] * 5), falling(*[0.5] * 6)])
    few = np.where(np.arange(11)[:, None] < 5, [0, 10, 100, 1000], [0, 1, 10, 20])
    tree = tree_of(p=group({"a": risks}, gradients=few))
    row = statistics.time_to_target(tree, 0.01).loc[("p", 0.01, "a")]
    assert (row["reached"], row["seeds"], row["median"]) == (5, 11, np.inf)


def test_times_to_targets_in_every_clock():
    low, high = falling(*[1e-6] * 7), falling(*[1e-3] * 7)
    tree = tree_of(p=group({"fast": low, "slow": high, "noisy": high}, sampled=["noisy"]))
    for clock, unit in (("flow_time", 1.0), ("gradients", 1.0), ("wall_time", 1e-3)):
        table = statistics.time_to_target(tree, {"p": [0.01]}, clock)
        medians = table["median"].droplevel([0, 1])
        assert medians["fast"] == pytest.approx(unit)
        assert medians["slow"] == pytest.approx(10 * unit)
        assert (table["median from"] == table["median"]).all()  # all seeds are the same
        assert ("gradients" in table.columns) == (clock == "gradients")
    found = statistics.time_to_target(tree)["gradients"].droplevel([0, 1])
    assert found.to_dict() == {"fast": "population", "slow": "population", "noisy": "sample"}
    with pytest.raises(InputError, match=r"unknown clock 'walltime'\. Did you mean 'wall_time'"):
        statistics.time_to_target(tree, clock="walltime")


# Targets


def test_default_targets_part_the_way_of_the_best_method():
    tree = tree_of(
        p=group({"a": falling(1e-8, 1e-8, 1e-2), "b": falling(1e-4, 1e-4, 1e-4)}),
        q=group({"a": falling(0.9, 0.9, 0.9), "b": falling(3.0, 3.0, 3.0)}),
        up=group({"a": falling(3.0, 3.0, 3.0)}),
        zero=group({"a": np.array([[1.0, 0.1, 0.0, 0.0]])}),
    )
    found = statistics.default_targets(tree)
    assert found["p"] == (1e-2, 1e-4, 1e-6)
    assert found["up"] == ()
    assert found["q"] == pytest.approx(0.9 ** np.array([0.25, 0.5, 0.75]), abs=5e-3)
    assert found["zero"][-1] == pytest.approx((100 * np.finfo(float).eps) ** 1.5, rel=0.05)


@examples(60)
@given(st.floats(-29.0, -1e-6))
def test_default_targets_lie_strictly_between(exponent):
    end = 10.0**exponent
    found = statistics.default_targets(tree_of(p=group({"a": falling(end)})))["p"]
    if end < 0.9999:
        assert len(found) == 3
    assert all(above > below for above, below in itertools.pairwise([1.0, *found]))
    assert all(value >= min(end, 1e-25) for value in found)


def test_no_targets_where_every_seed_diverged():
    risks = ended(falling(1e-3, 1e-3))
    status = {("a", seed): Status.DIVERGED for seed in range(2)}
    tree = tree_of(p=group({"a": risks}, status))
    assert statistics.default_targets(tree) == {"p": ()}
    assert list(statistics.tables(tree)) == ["Diverged trajectories"]


def test_targets_as_given():
    tree = tree_of(p=group({"a": falling(0.1)}), q=group({"a": falling(0.1)}))
    assert chosen_targets(tree, 0.5) == {"p": (0.5,), "q": (0.5,)}
    assert chosen_targets(tree, [0.1, 0.5, 0.1]) == {"p": (0.5, 0.1), "q": (0.5, 0.1)}
    assert chosen_targets(tree, {"q": [0.1]}) == {"q": (0.1,)}
    with pytest.raises(InputError, match="unknown problem 'r'"):
        chosen_targets(tree, {"r": [0.1]})
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="a target is a positive number"):
            chosen_targets(tree, wrong)


# Performance profiles


def test_profiles_by_hand():
    """Three seeds, costs 10, 10, never against 1, 100, never; the third is solved by neither."""
    costs = {"a": [10.0, 10.0, np.inf], "b": [1.0, 100.0, np.inf]}
    at = {1.0: 1, 10.0: 2, 100.0: 3}
    risks = {
        method: np.array([np.where(np.arange(4) >= at.get(c, 9), 0.01, 1.0) for c in values])
        for method, values in costs.items()
    }
    tree = tree_of(p=group(risks))
    found = statistics.performance_profiles(tree, "flow_time", 0.01)
    assert found.attrs["instances"] == 3
    assert found.index.tolist() == [1.0, 10.0]
    assert found["a"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found["b"].tolist() == pytest.approx([1 / 3, 2 / 3])
    table = profiles.profile_table(tree, 0.01).loc["gradient evaluations"]
    assert table["solved"].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert table["within 2 x"].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert table["within 10 x"].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_instances_reached_at_the_start_are_left_out():
    risks = {"a": falling(1e-4, 1e-4), "b": falling(1e-6, 1e-6)}
    for values in risks.values():
        values[0, 0] = 1e-3
    found = profiles.ratios(tree_of(p=group(risks)), "wall_time", 0.01)
    assert [seed for *_, seed in found.index] == [1]


def test_gradients_of_two_kinds_are_not_compared():
    risks = {name: falling(1e-4, 1e-4) for name in ("a", "b", "s", "r")}
    tree = tree_of(p=group(risks, sampled=["s", "r"]))
    assert list(statistics.performance_profiles(tree, "gradients")) == ["a", "b"]
    assert list(statistics.performance_profiles(tree, "wall_time")) == ["a", "b", "s", "r"]
    part = tree_of(p=tree["p"].to_dataset().sel(integrator=["a", "s", "r"]))
    assert list(statistics.performance_profiles(part, "gradients")) == ["s", "r"]


log_risk = arrays(float, (3, 4, 4), elements=st.integers(-6, 1).map(float))


@pytest.mark.thorough
@examples(40)
@given(log_risk, st.permutations(range(4)))
def test_profiles_grow_to_the_share_solved_whatever_the_order_of_seeds(logs, order):
    risks = dict(zip("abc", 10.0**logs, strict=True))
    tree = tree_of(p=group(risks), q=group({m: r[::-1] for m, r in risks.items()}))
    found = statistics.performance_profiles(tree, "flow_time", [0.1, 1e-3])
    table = profiles.ratios(tree, "flow_time", [0.1, 1e-3])
    assert len(table) == found.attrs["instances"]
    if not len(found):
        return
    assert found.index[0] == 1.0
    assert (np.diff(found.to_numpy(), axis=0) >= 0).all()
    for method in "abc":  # each share again, by its definition
        values = table[method].to_numpy()
        assert found[method].iloc[-1] == pytest.approx(np.isfinite(values).mean())
        for factor, share in found[method].items():
            assert share == pytest.approx(sum(v <= factor * (1 + 1e-9) for v in values) / len(values))
    solved = np.isfinite(table.to_numpy()).any(axis=1)
    assert np.allclose(table.to_numpy()[solved].min(axis=1), 1.0)
    shuffled = tree_of(**{name: node.to_dataset().isel(seed=order) for name, node in tree.children.items()})
    pd.testing.assert_frame_equal(statistics.performance_profiles(shuffled, "flow_time", [0.1, 1e-3]), found)


# Paired differences


def test_paired_differences_by_hand():
    base = falling(1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2)
    other = falling(1e-4, 1e-4, 1e-3, 1e-5, 1e-1, 1e-2, 1e-3)
    status = {("base", 6): Status.DIVERGED, ("other", 6): Status.FAILED, ("other", 0): Status.DIVERGED}
    tree = tree_of(p=group({"base": base, "other": other}, status))
    found = statistics.log_ratios(tree["p"].to_dataset(), "base").loc["other"]
    assert found.tolist() == pytest.approx([np.inf, -2, -1, -3, 1, 0, 0], abs=1e-12)
    row = statistics.paired_differences(tree).loc[("p", "other")]
    assert row["against"] == "base"
    assert row["seeds"] == 7
    assert row["log10 ratio"] == pytest.approx(0.0, abs=1e-12)
    assert (row["lower"], row["equal"], row["higher"]) == (3, 2, 2)
    assert row["log10 ratio from"] <= -1
    assert row["log10 ratio to"] >= 1
    assert row["p adjusted"] == 1.0  # 3 of 5


def test_against_the_other_method_signs_change():
    rng = np.random.default_rng(2)
    risks = {name: falling(*10.0 ** rng.uniform(-6, -1, 9)) for name in "ab"}
    tree = tree_of(p=group(risks, {("a", 3): Status.DIVERGED}))
    one, other = (statistics.paired_differences(tree, baseline=name).iloc[0] for name in "ab")
    assert one["log10 ratio"] == -other["log10 ratio"]
    assert (one["lower"], one["higher"]) == (other["higher"], other["lower"])
    assert one["p adjusted"] == other["p adjusted"]


def test_risks_of_rounding_errors_are_equal():
    tree = tree_of(p=group({"a": falling(1e-29, 0.0 + 1e-31), "b": falling(3e-31, 1e-20)}))
    assert statistics.log_ratios(tree["p"].to_dataset(), "a").loc["b"].tolist()[0] == 0.0
    assert statistics.log_ratios(tree["p"].to_dataset(), "a").loc["b"].tolist()[1] > 6


def test_the_sign_test_and_its_adjustment():
    """Eight of eight seeds: 2 / 2^8; Benjamini and Hochberg multiply the least of three by 3, and so on."""
    base = falling(*[1e-2] * 8)
    better = falling(*[1e-3] * 8)
    mixed = falling(*[1e-3] * 7, 1e-1)
    tree = tree_of(p=group({"base": base, "x": better, "y": mixed, "z": base}))
    p = statistics.paired_differences(tree)["p adjusted"].droplevel(0)
    assert p["x"] == pytest.approx(3 * 2 / 2**8)
    assert p["y"] == pytest.approx(3 / 2 * 2 * (1 + 8) / 2**8)
    assert p["z"] == 1.0


def test_another_quantity_and_wrong_names():
    risks = {"a": falling(0.1, 0.1), "b": falling(0.2, 0.2)}
    norm = np.ones((2, 2, 4)) * np.array([1.0, 100.0])[:, None, None]
    tree = tree_of(p=group(risks, parameter_norm=norm))
    assert statistics.paired_differences(tree, quantity="parameter_norm")["log10 ratio"].tolist() == [2.0]
    with pytest.raises(InputError, match=r"unknown quantity 'parameter_nrm'\. Did you mean 'parameter_norm'"):
        statistics.paired_differences(tree, quantity="parameter_nrm")
    with pytest.raises(InputError, match="unknown quantity 'status'"):
        statistics.paired_differences(tree, quantity="status")
    with pytest.raises(InputError, match=r"unknown method 'c'"):
        statistics.paired_differences(tree, baseline="c")


# All of it


TITLES = [
    "Paired differences of the final risk",
    "Flow time to a target risk",
    "Gradient evaluations to a target risk",
    "Wall time to a target risk",
    "Performance profiles",
    "Diverged trajectories",
]


def test_tables_of_a_study(small_tree):
    found = statistics.tables(small_tree)
    assert list(found) == TITLES
    again = statistics.tables(small_tree)
    for title, table in found.items():
        pd.testing.assert_frame_equal(again[title], table)
        assert table.attrs["note"]
        page = from_frame(table, "key", title)
        assert page.grouped
        assert page.head[page.methods] == "method"
    diverged = found["Diverged trajectories"].loc["sine"]
    status = small_tree["sine"]["status"]
    for method in status["integrator"].values:
        expected = int((status.sel(integrator=method) == Status.DIVERGED.value).sum())
        assert diverged.loc[str(method), "diverged"] == expected
        assert diverged.loc[str(method), "share"] == expected / 18
    assert diverged["diverged"].max() == 18
    assert found["Paired differences of the final risk"].loc[("sine", "gd[step 5]"), "higher"] == 18


@pytest.mark.thorough
def test_seeds_in_any_order_give_the_same_tables(small_tree):
    order = np.random.default_rng(0).permutation(18)
    shuffled = tree_of(
        **{name: node.to_dataset().isel(seed=order) for name, node in small_tree.children.items()}
    )
    for one, other in zip(
        statistics.tables(small_tree).values(), statistics.tables(shuffled).values(), strict=True
    ):
        pd.testing.assert_frame_equal(one, other)


def test_test_risks_are_compared_where_there_are_some():
    risks = {"a": falling(0.1, 0.1), "b": falling(0.2, 0.2)}
    tree = tree_of(p=group(risks, test_risk=np.stack(list(risks.values()))), q=group(risks))
    table = statistics.tables(tree)["Paired differences of the final test risk"]
    assert table.index.tolist() == [("p", "b")]


@pytest.mark.thorough
def test_one_method_has_nobody_to_be_compared_with(small_tree):
    part = tree_of(**{n: c.to_dataset().isel(integrator=[0]) for n, c in small_tree.children.items()})
    assert [title for title in TITLES if title not in statistics.tables(part)] == [TITLES[0], TITLES[4]]
    for draw in (figures.paired_differences, figures.performance_profile):
        with pytest.raises(figures.NothingToDraw):
            draw(part)
    assert figures.time_to_target(part).get_supylabel()


@pytest.mark.thorough
def test_one_seed_has_no_interval(small_tree):
    part = tree_of(**{n: c.to_dataset().isel(seed=[0]) for n, c in small_tree.children.items()})
    found = statistics.tables(part)
    assert list(found) == TITLES
    for title, column in ((TITLES[0], "log10 ratio"), (TITLES[1], "median")):
        assert found[title][[f"{column} from", f"{column} to"]].isna().all(axis=None)
        assert "–" in statistics.to_markdown(found[title])
        assert "at least 6 seeds" in printing.note(found[title])
    figure = figures.paired_differences(part)
    assert "median; too few seeds for an interval" in legend_texts(figure)
    assert "95 % interval" not in legend_texts(figures.time_to_target(part))
    assert figures.performance_profile(part).axes


def test_the_example_of_the_page_works(small_folder, tmp_path):
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    for old, new in (("results/quickstart", small_folder), ("paper/tables", tmp_path)):
        assert old in code
        code = code.replace(f'"{old}"', repr(str(new)))
    exec(code.replace('baseline="gd"', 'baseline="sgd"'), {})
    assert len(list(tmp_path.glob("*.tex"))) == len(TITLES)


# Numbers in print


@pytest.mark.parametrize(
    ("numbers", "value", "interval"),
    [
        ((-2.3456, -2.6123, -2.0199), "−2.35", "[−2.61, −2.02]"),
        ((1234.5, 980.2, 1530.9), "1,230", "[980, 1,530]"),
        ((1.2345e-5, 1.2e-5, 1.3e-5), "1.234 × 10⁻⁵", "[1.200, 1.300] × 10⁻⁵"),
        ((0.5, 0.1, np.inf), "0.50", "[0.10, ∞]"),
        ((np.inf, 3.0, np.inf), "∞", "[3.00, ∞]"),
        ((np.inf, np.inf, np.inf), "∞", "[∞, ∞]"),
        ((-np.inf, -np.inf, 2.0), "−∞", "[−∞, 2.00]"),
        ((0.0, 0.0, 0.0), "0", "[0, 0]"),
        ((0.0, 0.0, 4.8e-5), "0", "[0, 4.8] × 10⁻⁵"),
        ((1.26, np.nan, np.nan), "1.3", "–"),
        ((99999.0, 99998.0, 1e5), "1.000 × 10⁵", "[1.000, 1.000] × 10⁵"),
    ],
)
def test_digits_are_those_that_the_interval_supports(numbers, value, interval):
    table = pd.DataFrame([numbers], columns=["x", "x from", "x to"], index=pd.Index(["a"], name="method"))
    assert printing.printed(table).iloc[0].tolist() == ["a", value, interval]


@examples(200)
@given(st.floats(-1e8, 1e8), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_a_printed_number_is_within_a_tenth_of_its_interval(value, below, above):
    low, high = value - below, value + above
    unit = printing._unit(value, low, high)
    size = max(abs(low), abs(high))
    shown = float(printing._rounded(value, unit))
    assert abs(shown - value) <= max(0.05 * (below + above), 1e-3 * size) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (50000, "50,000"),
        (0.0736, "0.0736"),
        (2.3e-4, "2.3 × 10⁻⁴"),
        (1e-8, "10⁻⁸"),
        (-1e-8, "−1 × 10⁻⁸"),
        (123456.0, "1.23 × 10⁵"),
        (0.99999, "1"),
        (0.0, "0"),
        (np.nan, "–"),
        ("a name", "a name"),
    ],
)
def test_numbers_without_an_interval(value, text):
    assert printing.cell(value, printing.PLAIN) == text


def awkward():
    risks = {name: falling(*[1e-3] * 7) * scale for scale, name in enumerate(NAMES, 1)}
    return tree_of(**{r"50% of $x_1$ & {more} ~ # \ ^": group(risks), "q|r": group(risks)})


NAMES = ["gd[step 0.1]", "a|b & c_d", "100 % <$> # {~} ^ \\"]


def test_latex_has_booktabs_escaped_names_and_mathematics():
    table = statistics.paired_differences(awkward())
    text = statistics.to_latex(table, "Title & more")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\addlinespace", r"\caption[Title \& more]"):
        assert rule in text
    assert r"100 \% \textless{}\$\textgreater{} \# \{\textasciitilde{}\}" in text
    assert r"a\textbar{}b \& c\_d" in text
    assert r"$\log_{10}$ ratio" in text
    assert "In every row: against gd[step 0.1], seeds 7." in text
    frame = pd.DataFrame({"x": [1.2e-5]}, index=pd.Index(["a"], name="method"))
    assert r"$1.2 \times 10^{-5}$" in statistics.to_latex(frame)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(small_tree, tmp_path):
    found = statistics.tables(awkward()) | {
        "Long": statistics.time_to_target(small_tree, list(np.geomspace(1, 1e-3, 9)))
    }
    statistics.save(found, tmp_path, formats=["tex"])
    assert r"\begin{longtable}" in (tmp_path / "long.tex").read_text()
    inputs = "\n".join(rf"\input{{{writing.slug(title)}}}" for title in found)
    head = r"\documentclass{article}\usepackage{booktabs,longtable}\begin{document}"
    source = rf"{head}{inputs}\end{{document}}"
    (tmp_path / "all.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000


def test_markdown_is_a_table_of_which_names_do_not_break_the_cells():
    text = statistics.to_markdown(statistics.diverged_shares(awkward()), "Diverged")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert text.startswith("## Diverged\n\n|")
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
    assert len(lines) == 2 + 6
    assert r"a\|b & c_d" in text


def test_markdown_shows_names_as_they_are():
    """No name is HTML, a link or code there."""
    escaped = writing._in_markdown
    assert escaped("<script>x</script>") == "&lt;script&gt;x&lt;/script&gt;"
    assert escaped("a|b & c &lt;") == r"a\|b & c &amp;lt;"
    assert escaped("[x](javascript:y) `z`") == r"[x]\(javascript:y) \`z\`"
    assert escaped("gd[step 0.1]") == "gd[step 0.1]"


def test_csv_has_every_digit(tmp_path, small_tree):
    found = statistics.tables(small_tree)
    paths = statistics.save(found, tmp_path / "new", formats=["csv"])
    assert sorted(paths) == sorted((tmp_path / "new").iterdir())
    for path, table in zip(paths, found.values(), strict=True):
        read = pd.read_csv(path, index_col=list(range(table.index.nlevels)))
        pd.testing.assert_frame_equal(read, table, check_dtype=False, check_exact=True)
    with pytest.raises(InputError, match=r"unknown table format 'xls'"):
        statistics.save(found, tmp_path / "other", formats=["xls"])
    assert not (tmp_path / "other").exists()


# The command


@pytest.mark.thorough
def test_command_writes_and_shows_every_table(small_folder, tmp_path):
    done = in_process("table", small_folder, "--output", tmp_path / "t")
    assert done.returncode == 0, done.stderr
    names = ["final-risk-and-cost", *map(writing.slug, TITLES)]
    assert sorted(p.name for p in (tmp_path / "t").iterdir()) == sorted(
        f"{name}.{form}" for name in names for form in ("csv", "md", "tex")
    )
    for title in ["Final risk and cost", *TITLES]:
        assert f"\n{title}\n" in "\n" + done.stdout
    assert "gd[step 5]" in done.stdout
    assert "Warning" not in done.stderr


@pytest.mark.thorough
def test_command_writes_beside_the_result(small_folder, tmp_path):
    shutil.copy(small_folder / "result.nc", tmp_path / "result.nc")
    done = in_process("table", tmp_path / "result.nc", "--format", "md")
    assert done.returncode == 0, done.stderr
    assert {p.suffix for p in (tmp_path / "tables").iterdir()} == {".md"}


def test_command_refuses_wrong_input(small_folder, tmp_path):
    refused(
        in_process("table", small_folder, "--format", "xls"), "unknown table format 'xls'", "csv, md, tex"
    )
    refused(in_process("table", tmp_path / "none"), "no result at")


# Figures


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.sampled("performance_profile")
@pytest.mark.parametrize("name", ["time_to_target", "performance_profile", "paired_differences"])
def test_figures_have_labels_a_legend_and_no_empty_panel(small_tree, name):
    figure = getattr(figures, name)(small_tree)
    assert figure.get_size_inches()[0] in (3.4, 6.8)
    assert figure.get_supxlabel()
    assert legend_texts(figure)
    for ax in figure.axes:
        assert ax.lines
        assert ax.get_title()
    renderer = figure.canvas.get_renderer()
    legend = figure.legends[0].get_window_extent(renderer)
    for ax in figure.axes:
        assert not legend.overlaps(ax.get_window_extent(renderer))


@pytest.mark.parametrize("clock", CLOCKS)
def test_shares_are_drawn_as_they_are(small_tree, clock):
    figure = figures.time_to_target(small_tree, problems=["sine"], targets=0.1, clock=clock)
    (ax,) = figure.axes
    assert figure.get_size_inches()[0] == 3.4
    assert ax.get_title() == "sine: risk ≤ 0.1"
    data = small_tree["sine"].to_dataset()
    reach = statistics.first_reach(data, 0.1, clock)
    for line, reached in zip(ax.lines, reach.reached, strict=True):
        x, y = line.get_data()
        assert y[-1] == pytest.approx(reached.mean())
        assert x[0] == ax.get_xlim()[0]
    assert ("for sgd" in figure.get_supxlabel()) == (clock == "gradients")


STATISTICS = [figures.time_to_target, figures.performance_profile, figures.paired_differences]


@pytest.mark.sampled("paired_differences")
@pytest.mark.parametrize("draw", STATISTICS)
def test_figures_have_the_width_of_a_column_or_a_page(small_tree, draw):
    for size, width in (("column", 3.4), ("text", 6.8)):
        figure = draw(small_tree, size=size)
        assert figure.get_size_inches()[0] == width
        right = max(ax.get_window_extent().x1 for ax in figure.axes)
        assert 0.85 * figure.bbox.width < right <= figure.bbox.width
    with pytest.raises(InputError, match="unknown size 'page'"):
        draw(small_tree, size="page")


@pytest.mark.thorough
def test_a_single_panel_is_drawn_into_an_axis(small_tree):
    own = MatplotlibFigure(figsize=(9, 3))
    panels = own.subplots(1, 3)
    single = [{"problems": ["sine"], "targets": 0.1}, {"clock": "wall_time"}, {"problems": ["sine"]}]
    for draw, ax, options in zip(STATISTICS, panels, single, strict=True):
        assert draw(small_tree, ax=ax, **options) is own
        assert ax.get_legend() is not None
        assert len(ax.lines) == len(draw(small_tree, **options).axes[0].lines)
    count = statistics.performance_profiles(small_tree, "wall_time").attrs["instances"]
    assert [ax.get_ylabel() for ax in panels[:2]] == ["share of seeds", f"share of {count} instances"]
    assert panels[2].get_xlabel() == "final risk divided by that of standard-gf"
    for draw in STATISTICS:
        with pytest.raises(InputError, match=r"the figure has \d panels, and one axis has room for one"):
            draw(small_tree, ax=panels[0])


@pytest.mark.parametrize("draw", STATISTICS[:2])
def test_a_figure_refuses_a_wrong_clock(small_tree, draw):
    with pytest.raises(InputError, match=r"unknown clock 'wal_time'\. Did you mean 'wall_time'"):
        draw(small_tree, clock="wal_time")


@pytest.mark.thorough
def test_plot_takes_the_options_of_statistics(small_folder, tmp_path):
    chosen = ["clock=wall_time", "size=column", "targets={sine=[0.1]}"]
    given = [part for option in chosen for part in ("--option", option)]
    common = ("plot", small_folder, "--figure", "time_to_target", "--format", "svg", "--output", tmp_path)
    done = in_process(*common, *given)
    assert done.returncode == 0, done.stderr
    drawn = (tmp_path / "time_to_target.svg").read_text(encoding="utf-8")
    assert "wall time of one core per trajectory" in drawn
    assert "sine: risk" in drawn
    refused(in_process(*common, "--option", "clock=wal_time"), "--option.clock", "Did you mean 'wall_time'")
    refused(in_process(*common, "--option", "targets=late"), "must be a number, a list of numbers or a table")


def test_profiles_end_at_the_share_solved(small_tree):
    figure = figures.performance_profile(small_tree)
    assert [ax.get_title() for ax in figure.axes] == ["gradient evaluations, sgd left out", "wall time"]
    table = statistics.performance_profiles(small_tree, "wall_time")
    for line, method in zip(figure.axes[1].lines, table.columns, strict=True):
        assert line.get_ydata()[-1] == table[method].iloc[-1]
    (ax,) = figures.performance_profile(small_tree, clock="flow_time").axes
    assert ax.get_title() == "flow time"


def test_differences_that_are_infinite_are_counted_at_the_edge(small_tree):
    figure = figures.paired_differences(small_tree, problems=["sine"], methods=["gd[step 5]", "sgd"])
    (ax,) = figure.axes
    assert "18/18" in [text.get_text() for text in ax.texts]
    assert "seeds on which only one reached the end" in legend_texts(figure)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gd[step 5]", "sgd"]
    dots = sum(len(part.get_offsets()) for part in ax.collections)
    assert dots == 18
    assert figure.get_supxlabel() == "final risk divided by that of standard-gf"


def test_another_baseline(small_tree):
    figure = figures.paired_differences(small_tree, baseline="sgd")
    assert figure.get_supxlabel() == "final risk divided by that of sgd"
    assert "sgd" not in [label.get_text() for label in figure.axes[0].get_yticklabels()]
    with pytest.raises(InputError, match=r"unknown method 'sdg'\. Did you mean 'sgd'"):
        figures.paired_differences(small_tree, baseline="sdg")


def test_a_table_without_rows_is_latex_too():
    frame = pd.DataFrame({"problem": [], "seed": []}).set_index("problem")
    frame.attrs["note"] = "None."
    text = statistics.to_latex(frame, "Nothing")
    assert text.count(r"\\") == 1  # the heading
    assert r"\bottomrule" in text
