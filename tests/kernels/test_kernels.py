"""The compiled building blocks: sorting, arithmetic with twice the digits, random streams, quantiles."""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import MEASURES, QUICK, Stream, measure_case
from scipy.integrate import quad
from scipy.stats import beta, chisquare, kstest, truncnorm

import gfcompare as gfc
from gfcompare.kernels import compiled, doubles, random, sorting
from gfcompare.kernels.line_batch import batch_work, sort_uniform, to_quantiles
from gfcompare.piecewise.antiderivatives import line_data

# Kernels for other kernels have no way in from Python: these are the ways in.


@numba.njit
def call_sort(keys, order):
    sorting.sort_pairs(keys, order, np.empty_like(keys), np.empty_like(order))


@numba.njit
def call_doubles(a, al, b, bl):
    s, p = doubles.two_sum(a, b), doubles.two_product(a, b)
    return s, p, doubles.add(a, al, b, bl), doubles.multiply(a, al, b, bl)


@numba.njit
def call_uniform(state, count):
    result = np.empty(count)
    random.fill_uniform(state, result)
    return result


@numba.njit
def call_draw(data, state, count, repeats):
    result = np.empty((repeats, count))
    batch = batch_work(1, 1, count)
    for r in range(repeats):
        random.fill_uniform(state, batch.points)
        sort_uniform(batch)
        to_quantiles(data, batch.points)
        result[r] = batch.points
    return result


# ---------------------------------------------------------------------------------------------------
# Sorting
# ---------------------------------------------------------------------------------------------------

KEYS = st.one_of(st.floats(allow_nan=False), st.sampled_from([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf]))


def check_sort(keys, order):
    """Sort, and compare with Python's sort of the pairs."""
    pairs = sorted(zip((keys + 0.0).tolist(), order.tolist(), strict=True))
    found_keys, found_order = keys.copy(), order.copy()
    call_sort(found_keys, found_order)
    assert found_order.tolist() == [p[1] for p in pairs]
    assert np.array_equal(found_keys, [p[0] for p in pairs])


@QUICK
@given(st.lists(KEYS, max_size=80), st.integers(0, 10**6))
def test_sort_pairs(keys, seed):
    order = np.random.default_rng(seed).permutation(len(keys)).astype(np.uint64)
    check_sort(np.array(keys, dtype=float), order)


@pytest.mark.parametrize("count", [1, 2, 3, 64, 1000, 1023])
@pytest.mark.parametrize("kind", ["sorted", "reversed", "random", "equal", "few values", "one out of place"])
def test_sort_pairs_where_it_merges(kind, count):
    rng = np.random.default_rng(count)
    keys = {
        "sorted": np.arange(count, dtype=float),
        "reversed": np.arange(count, dtype=float)[::-1].copy(),
        "random": rng.normal(size=count),
        "equal": np.zeros(count),
        "few values": rng.integers(0, 4, size=count).astype(float),
        "one out of place": np.append(np.arange(1, count, dtype=float), 0.0),
    }[kind]
    check_sort(keys, rng.permutation(count).astype(np.uint64))


# ---------------------------------------------------------------------------------------------------
# Twice the digits
# ---------------------------------------------------------------------------------------------------

MODERATE = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)


@QUICK
@given(MODERATE, MODERATE, st.floats(-1, 1), st.floats(-1, 1))
def test_double_double_arithmetic(a, b, share_a, share_b):
    al, bl = share_a * np.spacing(abs(a)) / 2, share_b * np.spacing(abs(b)) / 2
    (s, s_low), (p, p_low), (t, t_low), (m, m_low) = call_doubles(a, al, b, bl)
    x, y = Fraction(a) + Fraction(al), Fraction(b) + Fraction(bl)
    # Error-free transformations are exact.
    assert Fraction(s) + Fraction(s_low) == Fraction(a) + Fraction(b)
    assert s == a + b
    assert Fraction(p) + Fraction(p_low) == Fraction(a) * Fraction(b)
    assert p == a * b
    # Sum and product of pairs are good to about 2^-104, of the larger term for the sum.
    tiny = Fraction(1, 2**103)
    assert abs(Fraction(t) + Fraction(t_low) - (x + y)) <= tiny * (abs(x) + abs(y))
    assert abs(Fraction(m) + Fraction(m_low) - x * y) <= tiny * abs(x * y)
    assert t == t + t_low
    assert m == m + m_low


# ---------------------------------------------------------------------------------------------------
# Random streams
# ---------------------------------------------------------------------------------------------------


def test_known_answers_of_xoshiro():
    """The reference values of the authors' C code (also the test vector of the Rust crate rand_xoshiro)."""
    state = np.array([1, 2, 3, 4], dtype=np.uint64)
    known = [
        41943041,
        58720359,
        3588806011781223,
        3591011842654386,
        9228616714210784205,
        9973669472204895162,
        14011001112246962877,
        12406186145184390807,
        15849039046786891736,
        10450023813501588000,
    ]
    assert call_uniform(state, 10).tolist() == [(bits >> 11) * 2.0**-53 for bits in known]


@QUICK
@given(st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4))
def test_random_stream_equals_plain_python(seed):
    state, stream = np.array(seed, dtype=np.uint64), Stream(seed)
    found = call_uniform(state, 20)
    assert found.tolist() == [next(stream) for _ in range(20)]
    assert [int(s) for s in state] == stream.state
    assert np.all((found >= 0) & (found < 1))


@pytest.mark.thorough
def test_the_largest_uniform_number_is_below_one():
    """The state from which all 64 bits come out set; also through a batch, whose buckets must hold it."""
    state = np.array([0, 5, 7, 2**64 - 1], dtype=np.uint64)
    assert call_uniform(state.copy(), 1)[0] == 1 - 2.0**-53
    zero = gfc.piecewise.from_pieces([0.0, 1.0], [[[0.0]]])
    data = line_data(gfc.measures.Uniform().density(), zero)
    for count in (1, 2, 3, 5, 7, 64, 1000):
        found = call_draw(data, state.copy(), count, 1)[0]
        assert np.all(np.diff(found) >= 0)
        assert found[-1] <= 1.0


def test_uniform_numbers_are_uniform():
    found = call_uniform(np.random.default_rng(0).integers(0, 2**64, size=4, dtype=np.uint64), 200_000)
    assert kstest(found, "uniform").pvalue > 1e-3
    counts = np.bincount((found * 64).astype(int) + 64 * (np.roll(found, 1) * 64).astype(int), minlength=4096)
    assert chisquare(counts).pvalue > 1e-3  # neighbours are independent


# ---------------------------------------------------------------------------------------------------
# Quantiles and batches
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [(0.0, 1.0), (-3.0, 2.0), (100.0, 101.0)], ids=str)
@pytest.mark.parametrize("name", MEASURES)
def test_quantile_inverts_the_distribution_function(name, interval):
    case = measure_case(name, *interval)
    u = np.concatenate([np.linspace(0.001, 0.999, 23), [1e-6, 1 - 1e-6]])
    for share, x in zip(u, case.measure.quantile(u), strict=True):
        points = [k for k in case.knots if k < x] or None
        mass, _ = quad(
            lambda t: float(case.formula(np.array([t]))[0]), interval[0], x, points=points, epsabs=1e-13
        )
        assert mass == pytest.approx(share, abs=1e-12 * max(1, abs(interval[0])))


@pytest.mark.parametrize(("mean", "deviation"), [(0.3, 0.2), (-1.0, 0.5), (0.5, 10.0), (4.0, 0.7)])
def test_quantile_against_scipy(mean, deviation):
    measure = gfc.measures.TruncatedNormal(mean, deviation, 0.0, 1.0)
    law = truncnorm(-mean / deviation, (1 - mean) / deviation, loc=mean, scale=deviation)
    u = np.linspace(0.001, 0.999, 997)
    assert np.abs(measure.quantile(u) - law.ppf(u)).max() < 1e-11


@pytest.mark.parametrize("power", [1, 2, 5])
def test_quantile_where_the_density_vanishes(power):
    """Density x^m (1 - x)^m, zero at both ends: Newton's method has no slope there."""
    rising = np.polynomial.polynomial.polypow([0.0, 1.0], power)
    density = np.polynomial.polynomial.polymul(rising, np.polynomial.polynomial.polypow([1.0, -1.0], power))
    measure = gfc.measures.PiecewisePolynomial([0.0, 1.0], [density.tolist()])
    u = np.linspace(0.0, 1.0, 101)
    found = measure.quantile(u)
    assert np.abs(beta(power + 1, power + 1).cdf(found) - u).max() < 1e-14
    assert np.all(np.diff(found) > 0)
    assert np.all((found >= 0) & (found <= 1))


def test_quantile_jumps_over_a_gap():
    """No point is ever drawn where the density is zero, but for its ends."""
    for inner in ([[0.0]], [[0.0, 0.0]]):
        measure = gfc.measures.PiecewisePolynomial([0.0, 1.0, 2.0, 3.0], [[1.0], *inner, [1.0]])
        found = measure.quantile(np.linspace(0, 1, 1001))
        assert np.all((found <= 1) | (found >= 2))
        assert found[0] == 0.0
        assert found[-1] == 3.0
        assert np.all(np.diff(found) >= 0)


def test_quantile_at_the_ends_where_there_is_no_mass():
    measure = gfc.measures.PiecewisePolynomial([0.0, 1.0, 2.0, 3.0], [[0.0], [1.0], [0.0]])
    found = measure.quantile([0.0, 0.5, 1.0])
    assert np.isfinite(found).all()
    assert found[1] == 1.5
    assert 0.0 <= found[0] <= 1.0
    assert 2.0 <= found[2] <= 3.0


@pytest.mark.parametrize("count", [1, 7, 64, 1000])
@pytest.mark.parametrize("name", MEASURES)
def test_drawn_batches(name, count):
    """Sorted; the quantiles of the stream's numbers; distributed as the measure says."""
    case = measure_case(name, -1.0, 1.0)
    density = case.measure.density()
    data = line_data(density, gfc.piecewise.from_pieces([-1.0, 1.0], [[[0.0]]]))
    seed = np.random.default_rng(count).integers(0, 2**64, size=4, dtype=np.uint64)
    repeats = 5000 // count
    found = call_draw(data, seed.copy(), count, repeats)
    uniforms = call_uniform(seed.copy(), count * repeats).reshape(repeats, count)
    assert np.all(np.diff(found, axis=1) >= 0)
    expected = np.sort(case.measure.quantile(uniforms), axis=1)
    assert np.abs(found - expected).max() < 1e-14
    sample = found.ravel()
    if name == "uniform":
        assert kstest(sample, lambda x: 0.5 * (x + 1.0)).pvalue > 1e-3
    else:
        grid = np.linspace(-1, 1, 2001)
        middle = 0.5 * (grid[:-1] + grid[1:])
        cdf = np.append(0, np.cumsum(case.formula(middle))) * (grid[1] - grid[0])
        assert kstest(sample, lambda x: np.interp(x, grid, cdf)).pvalue > 1e-3


# ---------------------------------------------------------------------------------------------------
# Compilation
# ---------------------------------------------------------------------------------------------------


def test_kernels_import_nothing_of_the_package():
    """The folder compiles by itself: its fingerprint covers everything the machine code depends on."""
    from pathlib import Path

    folder = Path(compiled.__file__).parent
    for path in folder.glob("*.py"):
        lines = [
            line
            for line in path.read_text().splitlines()
            if line.startswith(("import gfcompare", "from gfcompare"))
        ]
        assert all(line.startswith("from gfcompare.kernels") for line in lines), path


def test_read_only_parameters_compile_nothing_new():
    """CVODE hands out read-only arrays; a kernel compiled again for them would cost seconds."""
    from gfcompare.kernels import line

    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Affine(), gfc.measures.Uniform())
    theta = np.linspace(-1.0, 1.0, problem.network.parameter_count)
    expected = problem.gradient(theta)
    compiled_before = len(line.gradients.signatures)
    theta.setflags(write=False)
    assert np.array_equal(problem.gradient(theta), expected)
    assert problem.network.normalize(theta).flags.writeable
    assert len(line.gradients.signatures) == compiled_before == 1


def test_read_only_times_compile_nothing_new():
    """Results hand out read-only times; the compiled flow would be compiled again for them, 5 s."""
    from gfcompare.kernels import ndf

    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    flow, theta = gfc.integrator("standard-gf"), np.linspace(-1.0, 1.0, problem.network.parameter_count)
    times = np.linspace(0.0, 1.0, 3)
    expected = gfc.integrate(problem, flow, theta, times)
    compiled_before = len(ndf.advance.signatures)
    every_second, read_only = np.repeat(times, 2)[::2], times.copy()
    read_only.setflags(write=False)
    for others in (every_second, read_only):
        found = gfc.integrate(problem, flow, theta, others)
        assert np.array_equal(found["risk"], expected["risk"])
    assert len(ndf.advance.signatures) == compiled_before
