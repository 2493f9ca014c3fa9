"""Every target against its formula, and what is said when one is wrong."""

from __future__ import annotations

import mpmath
import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, TARGETS, target_case, vector_network
from scipy.interpolate import CubicSpline, PchipInterpolator

import gfcompare as gfc

T = gfc.targets
INTERVALS = ((0.0, 1.0), (-3.0, 2.0), (100.0, 101.0))


@pytest.mark.parametrize(
    ("interval", "frequency", "phase"),
    [
        ((1e3, 1e3 + 1), 1.0, 0.0),
        ((-1e4, -1e4 + 0.5), 1.3, 0.7),
        ((2.0**20, 2.0**20 + 1), 0.3, 0.0),
        ((0.0, 1.0), 1.0, 1e3),
    ],
)
def test_a_sine_far_from_0_is_that_of_the_exact_argument(interval, frequency, phase):
    """Values and pieces, against mpmath: rounding of the argument or of nodes would cost as many digits."""
    target = T.Sine(frequency=frequency, phase=phase)
    x = np.linspace(*interval, 101)
    with mpmath.workdps(60):
        expected = np.array(
            [float(mpmath.sin(2 * mpmath.pi * mpmath.mpf(frequency) * mpmath.mpf(p) + phase)) for p in x]
        )
    assert np.abs(target.at(x[:, None])[:, 0] - expected).max() < 1e-15
    assert np.abs(target.on(*interval)(x)[:, 0] - expected).max() < 2e-14


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", TARGETS)
def test_every_target_against_its_formula(name, outputs, interval):
    case = target_case(name, outputs, *interval)
    pieces = case.target.on(*interval)
    assert case.target.outputs == pieces.components == outputs
    assert (pieces.knots[0], pieces.knots[-1]) == interval
    grid = np.linspace(*interval, 1001)
    away = np.all(np.abs(grid[:, None] - np.array([*case.knots, np.inf])) > 1e-9, axis=1)
    expected = case.formula(grid[away])
    # The value of x is known to rounding: that counts far from the origin.
    noise = np.abs(np.gradient(expected, grid[away], axis=0)).max() * np.abs(interval).max()
    bound = 4e-15 * np.abs(expected).max() + 4e-16 * noise
    if name == "function":
        bound = 2 * case.target.accuracy * np.abs(expected).max()
    assert np.abs(pieces(grid[away]) - expected).max() <= bound
    for knot in case.knots:  # known kinks and jumps are knots
        if interval[0] < knot < interval[1] and name != "teacher":
            assert knot in pieces.knots


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3))
def test_teacher_is_its_network(seed, depth, outputs):
    teacher = T.Teacher((1, *[4] * depth, outputs), seed=seed, scale=2.0)
    x = np.linspace(-1, 1, 333)
    expected = vector_network(teacher.widths, teacher.theta, x)
    assert np.abs(teacher.on(-1.0, 1.0)(x) - expected).max() < 1e-13 * (1 + np.abs(expected).max())
    assert np.abs(teacher.network.realize(teacher.theta, x) - expected).max() < 1e-13 * (
        1 + np.abs(expected).max()
    )
    assert np.array_equal(teacher.theta, T.Teacher((1, *[4] * depth, outputs), seed=seed, scale=2.0).theta)
    assert not np.array_equal(teacher.theta, T.Teacher((1, *[4] * depth, outputs), seed=seed + 1).theta)
    # The factor is one on the function.
    plain = T.Teacher((1, *[4] * depth, outputs), seed=seed)
    assert np.allclose(2 * plain.on(-1.0, 1.0)(x), teacher.on(-1.0, 1.0)(x), rtol=1e-13, atol=1e-13)


@QUICK
@given(st.floats(-2, 2), st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([(-1.0, 1.0), (0.5, 3.0)]))
def test_kinks_and_jumps_anywhere(place, a, b, interval):
    """Inside the interval, on its ends and outside."""
    x = np.linspace(*interval, 97)
    kink, jump = T.AbsoluteValue(place, a, b).on(*interval), T.Step(place, a, b).on(*interval)
    assert np.abs(kink(x)[:, 0] - (b + a * np.abs(x - place))).max() < 1e-14
    away = np.abs(x - place) > 1e-12
    assert np.array_equal(jump(x)[away, 0], np.where(x < place, a, b)[away])


@pytest.mark.parametrize("place", [-1.0, 1.0, -1.5, 1.5, 0.0])
def test_step_and_kink_on_an_end(place):
    x = np.linspace(-0.999, 0.999, 50)
    assert np.array_equal(T.Step(place, 2.0, 3.0).on(-1.0, 1.0)(x)[:, 0], np.where(x < place, 2.0, 3.0))
    assert len(T.AbsoluteValue(place).on(-1.0, 1.0).high) == (2 if place == 0 else 1)


def test_numbers_broadcast_over_outputs():
    target = T.Sine([1.0, 2.0], frequency=0.5, phase=[0.0, 0.1])
    x = np.linspace(0, 1, 11)
    expected = np.stack([np.sin(np.pi * x), 2 * np.sin(np.pi * x + 0.1)], axis=1)
    assert np.abs(target.on(0.0, 1.0)(x) - expected).max() < 1e-14
    assert target.outputs == 2


def test_functions():
    x = np.linspace(100, 101, 51)
    log = T.Function(lambda x: np.log(x - 99.5))
    assert np.abs(log.on(100.0, 101.0)(x)[:, 0] - np.log(x - 99.5)).max() < 2e-12
    kink = T.Function(lambda x: np.abs(x - 100.25), knots=[100.25])
    assert len(kink.on(100.0, 101.0).high) == 2
    both = T.Function(lambda x: np.stack([x, x**2], axis=1))
    assert both.outputs == both.on(0.0, 1.0).components == 2


def test_a_function_with_an_error_is_named():
    def reciprocal(x):
        return 1 / (np.asarray(x) - 0.5) * np.where(x == 0.5, np.nan, 1)

    with (
        np.errstate(all="ignore"),
        pytest.raises(gfc.InputError, match=r"function 'reciprocal'.*(not a finite number|8192 pieces)"),
    ):
        T.Function(reciprocal).on(0.0, 1.0)
    with pytest.raises(gfc.InputError, match="function 'mine' failed on an array"):
        T.Function(lambda x: x.nothing, label="mine").on(0.0, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Constant(np.nan), "value must be finite"),
        (lambda: T.Constant([]), "value must be a number or a list"),
        (
            lambda: T.Affine([1.0, 2.0], [1.0, 2.0, 3.0]),
            "slope has 2 numbers where other fields have 3: give 1 or 3",
        ),
        (lambda: T.Polynomial([]), "coefficients must not be empty"),
        (lambda: T.Polynomial([[1.0], 2.0]), "a list of numbers, or one list for each output"),
        (lambda: T.Polynomial([[1.0], []]), "must not contain an empty list"),
        (lambda: T.Polynomial([1.0, np.inf]), "finite numbers"),
        (
            lambda: T.PiecewisePolynomial([0, 1, 2], [[1.0]]),
            "3 knots need the coefficients of 2 pieces, got those of 1",
        ),
        (lambda: T.PiecewisePolynomial([0, 2, 1], [[1.0], [1.0]]), "knots must increase strictly"),
        (lambda: T.PiecewisePolynomial([0, 1, 2], [[[1.0]], [[1.0], [2.0]]]), "the same number of outputs"),
        (lambda: T.PiecewiseLinear([0, 1], [1.0, 2.0, 3.0]), "2 knots need as many values"),
        (lambda: T.PiecewiseLinear([0, 1], [[1.0], [1.0, 2.0]]), "lists of the same length"),
        (lambda: T.PiecewiseLinear([0, 0], [1.0, 2.0]), "knots must increase strictly"),
        (lambda: T.PiecewiseLinear([0, 1], [1.0, np.nan]), "values at the knots must be finite"),
        (lambda: T.Sine(frequency=np.inf), "frequency must be finite"),
        (lambda: T.Teacher((2, 3, 1)).on(0.0, 1.0), "has d = 2 inputs: it is no function on an interval"),
        (lambda: T.Teacher((1, 1)), "at least three positive integers"),
        (lambda: T.Teacher(seed=-1), "seed must not be negative"),
        (lambda: T.Teacher(scale=np.nan), "scale must be finite"),
        (lambda: T.Function(3.0), "function must be callable"),
        (lambda: T.Function(np.sin, accuracy=0.0), "accuracy must lie between"),
        (lambda: T.Stack([]), "components must not be empty"),
        (
            lambda: T.PiecewiseLinear([0, 1], [1.0, 2.0]).on(0.0, 2.0),
            r"the knots cover \[0, 1\], but the measure lives on \[0, 2\]",
        ),
        (
            lambda: T.PiecewisePolynomial([0, 1], [[1.0]]).on(-1.0, 1.0),
            r"the knots cover \[0, 1\], but the measure lives on \[-1, 1\]",
        ),
    ],
)
def test_wrong_targets(make, message):
    with pytest.raises(gfc.InputError, match=message):
        make()


# ---------------------------------------------------------------------------------------------------
# Tables
# ---------------------------------------------------------------------------------------------------

X = np.array([0.0, 0.13, 0.2, 0.55, 0.8, 1.0])
Y = np.array([1.0, 0.3, -0.2, 0.9, 0.95, 2.0])
Z = np.cos(3 * X)


@pytest.fixture
def csv(tmp_path):
    order = [3, 0, 5, 1, 4, 2]  # the rows need not be sorted
    lines = ["place,height,depth,remark"] + [f"{X[j]!r},{Y[j]!r},{Z[j]!r},row {j}" for j in order]
    path = tmp_path / "points.csv"
    path.write_text("\n".join(line.replace("np.float64(", "").replace(")", "") for line in lines) + "\n")
    return path


@pytest.fixture
def netcdf(tmp_path):
    path = tmp_path / "points.nc"
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("n", len(X))
        for name, values in (("place", X), ("height", Y), ("depth", Z)):
            data.createVariable(name, "f8", ("n",))[:] = values
    return path


INTERPOLANTS = {
    "linear": lambda x, y: lambda t: np.interp(t, x, y),
    "cubic": CubicSpline,
    "pchip": PchipInterpolator,
}


@pytest.mark.parametrize("interval", [(0.0, 1.0), (0.1, 0.7)], ids=str)
@pytest.mark.parametrize("interpolation", INTERPOLANTS)
@pytest.mark.parametrize("source", ["csv", "netcdf"])
def test_tables(source, interpolation, interval, request):
    path = request.getfixturevalue(source)
    t = np.linspace(*interval, 301)
    for columns, values in (("height", [Y]), (["height", "depth"], [Y, Z])):
        table = T.Table(path, "place", columns, interpolation)
        expected = np.stack([INTERPOLANTS[interpolation](X, v)(t) for v in values], axis=1)
        assert table.outputs == len(values)
        pieces = table.on(*interval)
        assert (pieces.knots[0], pieces.knots[-1]) == interval
        assert np.abs(pieces(t) - expected).max() < 1e-14


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("interpolation", INTERPOLANTS)
def test_tables_of_few_points(count, interpolation, tmp_path):
    """scipy's splines through two or three points are lines and parabolas."""
    path = tmp_path / "few.csv"
    path.write_text(
        "x,y\n" + "".join(f"{float(a)},{float(b)}\n" for a, b in zip(X[:count], Y[:count], strict=True))
    )
    t = np.linspace(0, X[count - 1], 41)
    expected = INTERPOLANTS[interpolation](X[:count], Y[:count])(t)
    assert (
        np.abs(T.Table(path, interpolation=interpolation).on(0.0, X[count - 1])(t)[:, 0] - expected).max()
        < 1e-14
    )


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x,y\n0,1\n1,2\n", {"y": "z"}, r"column of .*table.csv 'z'.*Allowed: x, y"),
        ("place,height\n0,1\n1,2\n", {"x": "place", "y": "heigth"}, "Did you mean 'height'"),
        ("x,y\n0,1\n0.5,\n1,2\n", {}, "row 2, column 'y': a missing or infinite number"),
        ("x,y\n0,1\n0.5,nan\n1,2\n", {}, "row 2, column 'y': a missing or infinite number"),
        ("x,y\n0,1\n0.5,inf\n1,2\n", {}, "row 2, column 'y': a missing or infinite number"),
        ("x,y\n0,1\n0.5,2\n0.5,3\n", {}, "x = 0.5 occurs twice"),
        ("x,y\n0,1\n", {}, "at least two points are needed, got 1"),
        ("x,y\n", {}, "."),
        ("", {}, "."),
        ("x,y\n0,one\n1,two\n", {}, "row 1 .*column 'y': 'one' is not a number"),
    ],
)
def test_wrong_tables(content, options, message, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(gfc.InputError, match=message):
        T.Table(path, **options)


def test_tables_that_are_not_there_or_too_short(csv, tmp_path):
    with pytest.raises(gfc.InputError, match=r"no file .*nothing\.csv"):
        T.Table(tmp_path / "nothing.csv")
    with pytest.raises(gfc.InputError, match=r"cover \[0, 1\], but the measure lives on \[0, 1\.5\]"):
        T.Table(csv, "place", "height").on(0.0, 1.5)
    with pytest.raises(gfc.InputError, match="interpolation"):
        T.Table(csv, "place", "height", "quintic")
    broken = tmp_path / "broken.nc"
    broken.write_text("this is no netCDF file")
    with pytest.raises(gfc.InputError, match=r"broken\.nc"):
        T.Table(broken)
