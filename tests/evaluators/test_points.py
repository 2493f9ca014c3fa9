"""Problems on finitely many points: data sets, other measures replaced by points, and stochastic descent."""

from __future__ import annotations

from pathlib import Path

import cloudpickle
import netCDF4
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, Stream, any_backprop, any_network, any_theta, relative_error
from scipy import stats
from sklearn import datasets

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.system import threads

#: Sums over N points in another order.
ROUNDING = 1e-13

WIDTHS = ((1, 5, 1), (2, 7, 3), (3, 4, 5, 2), (10, 6, 5, 4, 1), (1, 1, 1, 1, 1))


def labelled(widths, count, rng, mass=True):
    """Return points with labels and masses, as a problem, and the arrays."""
    x = rng.normal(size=(count, widths[0]))
    y = rng.normal(size=(count, widths[-1]))
    weights = rng.random(count) if mass else None
    measure = measures.Points(x, weights, y)
    problem = gfc.Problem(gfc.ReLUNetwork(widths), targets.Labels(), measure)
    return problem, x, y, np.full(count, 1 / count) if weights is None else weights / weights.sum()


# ---------------------------------------------------------------------------------------------------
# Risk and gradient
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("count", [1, 7, 128, 129, 400])
def test_gradient_is_back_propagation(widths, count):
    rng = np.random.default_rng(count)
    problem, x, y, weights = labelled(widths, count, rng)
    theta = np.stack([any_theta(rng, widths, -1.0, 1.0) for _ in range(3)])
    for row, risk, gradient in zip(theta, problem.risk(theta), problem.gradient(theta), strict=True):
        expected, slopes = any_backprop(widths, row, x, y, weights)
        assert risk == pytest.approx(expected, rel=ROUNDING)
        assert relative_error(gradient, slopes) < ROUNDING


@QUICK
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 10**9),
)
def test_any_problem(inputs, outputs, hidden, seed):
    """Integer points and weights: many pre-activations are exactly 0, where the derivative is 0."""
    rng = np.random.default_rng(seed)
    widths = (inputs, *hidden, outputs)
    network = gfc.ReLUNetwork(widths)
    x = rng.integers(-2, 3, size=(int(rng.integers(1, 40)), inputs)).astype(float)
    y = rng.integers(-2, 3, size=(len(x), outputs)).astype(float)
    theta = rng.integers(-2, 3, size=network.parameter_count).astype(float)
    problem = gfc.Problem(network, targets.Labels(), measures.Points(x, observed=y))
    risk, gradient = any_backprop(widths, theta, x, y, np.full(len(x), 1 / len(x)))
    assert problem.risk(theta) == pytest.approx(risk, rel=ROUNDING, abs=1e-14)
    scale = np.abs(gradient).max() + 1.0
    np.testing.assert_allclose(problem.gradient(theta), gradient, rtol=0, atol=ROUNDING * scale)


def test_a_target_on_points_is_called_there():
    x = np.linspace(-1, 1, 30)
    problem = gfc.Problem(gfc.ReLUNetwork((1, 4, 1)), targets.Sine(), measures.Points(x))
    np.testing.assert_allclose(problem.values_on_points[:, 0], np.sin(2 * np.pi * x), atol=1e-11)
    function = targets.Function(lambda p: np.stack([p[:, 0] * p[:, 1], np.abs(p[:, 0])], axis=1), dimension=2)
    points = np.random.default_rng(0).normal(size=(50, 2))
    problem = gfc.Problem(gfc.ReLUNetwork((2, 4, 2)), function, measures.Points(points))
    np.testing.assert_array_equal(problem.values_on_points[:, 1], np.abs(points[:, 0]))


def test_mass_counts_like_repetition():
    rng = np.random.default_rng(1)
    widths = (2, 5, 4, 1)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    repeats = np.array([1, 3, 0, 2, 1, 1])
    network = gfc.ReLUNetwork(widths)
    weighted = gfc.Problem(network, targets.Labels(), measures.Points(x, repeats, y))
    repeated = gfc.Problem(
        network,
        targets.Labels(),
        measures.Points(np.repeat(x, repeats, axis=0), None, np.repeat(y, repeats, axis=0)),
    )
    theta = any_theta(rng, widths, -1.0, 1.0)
    assert weighted.risk(theta) == pytest.approx(float(repeated.risk(theta)), rel=1e-14)
    assert relative_error(weighted.gradient(theta), repeated.gradient(theta)) < 1e-14


def test_shapes_layouts_batches_threads_and_pickling():
    rng = np.random.default_rng(2)
    problem, *_ = labelled((3, 6, 5, 2), 300, rng)
    theta = np.stack([any_theta(rng, (3, 6, 5, 2)) for _ in range(24)])
    risk, gradient = problem.risk(theta), problem.gradient(theta)
    count = theta.shape[1]
    assert np.array_equal(np.stack([problem.gradient(row) for row in theta]), gradient)
    assert np.array_equal(problem.gradient(theta.reshape(2, 3, 4, count)), gradient.reshape(2, 3, 4, count))
    assert np.array_equal(problem.risk(theta.reshape(2, 3, 4, count)), risk.reshape(2, 3, 4))
    locked = theta.copy()
    locked.setflags(write=False)
    for other in (locked, np.asfortranarray(theta), np.repeat(theta, 2, axis=1)[:, ::2], theta.tolist()):
        assert np.array_equal(problem.gradient(other), gradient)
    for leading in ((0,), (2, 0)):
        empty = np.empty((*leading, count))
        assert problem.risk(empty).shape == leading
        assert problem.gradient(empty).shape == empty.shape
    try:
        for count in (1, 2, 3):
            threads.set_thread_count(count)
            assert np.array_equal(problem.gradient(theta), gradient)
            assert np.array_equal(problem.risk(theta), risk)
    finally:
        threads.set_thread_count(None)
    copy = cloudpickle.loads(cloudpickle.dumps(problem))
    assert np.array_equal(copy.gradient(theta), gradient)
    assert copy.digest == problem.digest


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("widths", [(2, 4, 1), (2, 3, 3, 1)])
def test_what_is_no_number_is_not_hidden(widths, bad):
    rng = np.random.default_rng(3)
    problem, *_ = labelled(widths, 40, rng)
    theta = np.stack([any_theta(rng, widths) for _ in range(3)])
    for position in range(theta.shape[1]):
        rows = theta.copy()
        rows[1, position] = bad
        risk, gradient = problem.risk(rows), problem.gradient(rows)
        assert np.array_equal(risk[[0, 2]], problem.risk(theta[[0, 2]]))
        assert np.array_equal(gradient[[0, 2]], problem.gradient(theta[[0, 2]]))
        assert not np.isfinite(risk[1]), position
        assert not np.isfinite(gradient[1]).all(), position


def test_the_data_is_copied():
    x, y = np.array([[0.0], [1.0]]), np.array([1.0, 2.0])
    measure = measures.Points(x, observed=y)
    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), targets.Labels(), measure)
    theta = np.ones(7)
    before, digest = problem.gradient(theta), problem.digest
    x[:], y[:] = 5.0, 5.0
    assert np.array_equal(problem.gradient(theta), before)
    other = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), targets.Labels(), measure)
    assert other.digest == digest


def test_digest_tells_problems_apart():
    network = gfc.ReLUNetwork((1, 2, 1))
    x, y = np.array([0.0, 0.5, 1.0]), np.array([1.0, 2.0, 3.0])
    problems = [
        gfc.Problem(network, targets.Labels(), measures.Points(x, None, y)),
        gfc.Problem(network, targets.Labels(), measures.Points(x[::-1], None, y)),
        gfc.Problem(network, targets.Labels(), measures.Points(x, None, 2 * y)),
        gfc.Problem(network, targets.Labels(), measures.Points(x, [1, 1, 2], y)),
        gfc.Problem(network, targets.Labels(), measures.Points(x, None, y, [0.2], [0.0])),
        gfc.Problem(network, targets.Labels(), measures.Points(x, None, y, [0.2], [0.1])),
        gfc.Problem(network, targets.Labels(), measures.Points(x, None, y, [0.3], [0.1])),
        gfc.Problem(network, targets.Constant(0.0), measures.Points(x, None, y, [0.3], [0.1])),
        # The same values on the points, other values on those held out.
        gfc.Problem(
            network, targets.Polynomial([0, 0.5, -1.5, 1]), measures.Points(x, None, y, [0.3], [0.1])
        ),
    ]
    assert problems[-1].test_risk(np.zeros(7)) != problems[-2].test_risk(np.zeros(7))
    assert len({problem.digest for problem in problems}) == len(problems)


def test_activations_that_are_held():
    """With the slopes of the network itself the gradient is its own."""
    rng = np.random.default_rng(5)
    widths = (2, 4, 3, 2)
    problem, x, _, _ = labelled(widths, 150, rng)
    theta = any_theta(rng, widths, -1.0, 1.0)
    z = problem.pre_activations(theta)
    assert z.shape == (7, 150)
    first = x @ problem.network.layers(theta)[0].weight.T + problem.network.layers(theta)[0].bias
    np.testing.assert_allclose(z[:4].T, first, rtol=1e-13, atol=1e-13)
    slopes = (z > 0).astype(float)
    assert np.array_equal(problem.gradient_with(theta, slopes), problem.gradient(theta))
    np.testing.assert_array_equal(problem.pre_activations(theta, slopes), z)
    linear = problem.pre_activations(theta, np.ones_like(slopes))
    (w1, b1), (w2, b2), _ = [(layer.weight, layer.bias) for layer in problem.network.layers(theta)]
    np.testing.assert_allclose(linear[4:].T, (x @ w1.T + b1) @ w2.T + b2, rtol=1e-12, atol=1e-13)


# ---------------------------------------------------------------------------------------------------
# Test risk
# ---------------------------------------------------------------------------------------------------


def test_the_test_risk_is_the_mean_over_what_is_held_out():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 3))
    measure = measures.Points(x[:15], rng.random(15), y[:15], x[15:], y[15:])
    problem = gfc.Problem(gfc.ReLUNetwork((2, 4, 3, 3)), targets.Labels(), measure)
    theta = np.stack([any_theta(rng, (2, 4, 3, 3)) for _ in range(4)]).reshape(2, 2, -1)
    assert problem.has_test
    expected = [
        ((any_network((2, 4, 3, 3), row, x[15:]) - y[15:]) ** 2).sum(axis=1).mean()
        for row in theta.reshape(4, -1)
    ]
    np.testing.assert_allclose(problem.test_risk(theta), np.reshape(expected, (2, 2)), rtol=1e-13)
    line = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), targets.Sine(), measures.Uniform())
    assert not line.has_test
    with pytest.raises(gfc.InputError, match="no test risk"):
        line.test_risk(np.zeros(7))


def test_the_test_risk_of_another_target_is_with_its_values():
    measure = measures.Points([0.0, 1.0], None, [0.0, 0.0], [0.25, 0.5], [9.0, 9.0])
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), targets.Affine(2.0), measure)
    assert problem.test_risk(np.zeros(4)) == pytest.approx((0.25 + 1.0) / 2)


# ---------------------------------------------------------------------------------------------------
# Other measures replaced by points
# ---------------------------------------------------------------------------------------------------


def density(x):
    return np.exp(-2.0 * x[:, 0] * x[:, 1])


LAWS = {
    "uniform": measures.Uniform(-1.0, 2.0),
    "truncated normal": measures.TruncatedNormal(0.3, 0.4, 0.0, 1.0),
    "piecewise": measures.PiecewisePolynomial([0, 1], [[0.0, 2.0]]),
    "density": measures.Density(lambda x: np.exp(-x), 0.0, 2.0),
    "box": measures.Box((-1.0, 0.0), 2.0, 2),
    "box of three": measures.Box(0.0, 1.0, 3),
    "product": measures.Product([measures.Uniform(), measures.TruncatedNormal(0.3, 0.4, 0.0, 1.0)]),
    "box density": measures.BoxDensity(density),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rule", ["random", "sobol", "quantiles"])
def test_discretised(law, rule):
    measure = LAWS[law]
    if rule == "quantiles" and measure.dimension > 1:
        with pytest.raises(gfc.InputError, match="'sobol'"):
            measure.discretize(64, rule)
        return
    if rule == "sobol" and law == "box density":
        with pytest.raises(gfc.InputError, match="'random'"):
            _ = measure.discretize(64, rule).points
        return
    fixed = measure.discretize(64, rule, seed=3)
    assert fixed.points.shape == (64, measure.dimension)
    assert fixed.dimension == measure.dimension
    np.testing.assert_allclose(fixed.weights, 1 / 64)
    box = measure.box.reshape(-1, 2)
    assert (fixed.points >= box[:, 0]).all()
    assert (fixed.points <= box[:, 1]).all()
    assert np.array_equal(measure.discretize(64, rule, seed=3).points, fixed.points)
    same = np.array_equal(measure.discretize(64, rule, seed=4).points, fixed.points)
    assert same == (rule == "quantiles")
    assert np.array_equal(cloudpickle.loads(cloudpickle.dumps(fixed)).points, fixed.points)
    d = measure.dimension
    problem = gfc.Problem(gfc.ReLUNetwork((d, 4, 1)), targets.Constant(1.0), fixed)
    theta = any_theta(np.random.default_rng(0), (d, 4, 1))
    risk, gradient = any_backprop((d, 4, 1), theta, fixed.points, np.ones((64, 1)), np.full(64, 1 / 64))
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-13)
    assert relative_error(problem.gradient(theta), gradient) < 1e-13


def test_quantiles_are_the_midpoints_of_cells_of_equal_mass():
    points = measures.PiecewisePolynomial([0, 1], [[0.0, 2.0]]).discretize(10, "quantiles").points[:, 0]
    np.testing.assert_allclose(points**2, (np.arange(10) + 0.5) / 10, atol=1e-14)


@pytest.mark.parametrize(("rule", "order"), [("random", 0.5), ("sobol", 0.9), ("quantiles", 1.7)])
def test_discretised_risk_converges_to_the_population_risk(rule, order):
    """The order in the number of points, for the risk: 1/2, about 1, and 2."""
    network = gfc.ReLUNetwork((1, 6, 4, 1))
    measure = measures.TruncatedNormal(0.3, 0.4, 0.0, 1.0)
    theta = any_theta(np.random.default_rng(1), network.widths)
    exact = gfc.Problem(network, targets.Sine(), measure)
    counts = np.array([64, 256, 1024, 4096])
    seeds = range(1 if rule == "quantiles" else 12)
    errors = [
        np.sqrt(
            np.mean(
                [
                    (
                        gfc.Problem(network, targets.Sine(), measure.discretize(n, rule, s)).risk(theta)
                        - exact.risk(theta)
                    )
                    ** 2
                    for s in seeds
                ]
            )
        )
        for n in counts.tolist()
    ]
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope > order - 0.25
    assert rule != "random" or slope < 0.75


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"points": 0}, "between 1 and"),
        ({"points": 60, "rule": "sobol"}, "power of 2"),
        ({"points": 64, "rule": "sobel"}, "Did you mean 'sobol'"),
        ({"points": 64, "seed": -1}, "seed"),
    ],
)
def test_wrong_discretisations(options, part):
    with pytest.raises(gfc.InputError, match=part):
        measures.Uniform().discretize(**options)


def test_points_are_not_discretised_again():
    with pytest.raises(gfc.InputError, match="points already"):
        measures.Uniform().discretize(8).discretize(4)


# ---------------------------------------------------------------------------------------------------
# Points given by the user
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"data": [[1.0, np.nan]]}, "row 1"),
        ({"data": [[1.0], [np.inf]]}, "row 2"),
        ({"data": []}, "data"),
        ({"data": "text"}, "data"),
        ({"data": [[[1.0]]]}, "shape"),
        ({"data": [1.0, 2.0], "mass": [1.0]}, "mass must be 2 numbers"),
        ({"data": [1.0, 2.0], "mass": [-1.0, 2.0]}, "negative"),
        ({"data": [1.0, 2.0], "mass": [0.0, 0.0]}, "0 everywhere"),
        ({"data": [1.0, 2.0], "mass": [np.nan, 1.0]}, "mass: row 1"),
        ({"data": [1.0, 2.0], "observed": [1.0]}, "1 rows for 2 points"),
        ({"data": [1.0, 2.0], "observed": [1.0, np.nan]}, "observed: row 2"),
        ({"data": [1.0, 2.0], "test_data": [1.0]}, "together"),
        ({"data": [1.0, 2.0], "test_data": [[1.0, 2.0]], "test_observed": [1.0]}, "dimension"),
        ({"data": [1.0, 2.0], "test_data": [1.0], "test_observed": [1.0, 2.0]}, "test"),
    ],
)
def test_wrong_points(options, part):
    with pytest.raises(gfc.InputError, match=part):
        measures.Points(**options)


@pytest.mark.parametrize(
    ("observed", "held_out"), [([0.0, 1.0], [[0.0, 1.0]]), ([[0.0, 1.0], [2.0, 3.0]], [0.0])]
)
def test_labels_of_train_and_test_have_the_same_number_of_outputs(observed, held_out):
    with pytest.raises(gfc.InputError):
        measures.Points([0.0, 1.0], None, observed, [0.5], held_out)


@pytest.mark.parametrize(
    ("widths", "target", "measure", "parts"),
    [
        ((1, 4, 1), targets.Labels(), measures.Points([1.0, 2.0]), ("'labels'",)),
        (
            (2, 4, 1),
            targets.Labels(),
            measures.Points([1.0, 2.0], None, [1.0, 2.0]),
            ("d = 2", "d = 1"),
        ),
        (
            (1, 4, 2),
            targets.Labels(),
            measures.Points([1.0, 2.0], None, [1.0, 2.0]),
            ("K = 1", "K = 2", "[1, 4, 1]"),
        ),
        (
            (1, 4, 1),
            targets.Function(lambda x: 1 / x, label="inverse"),
            measures.Points([0.0, 2.0]),
            ("finite", "0.0"),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_wrong_problems_on_points(widths, target, measure, parts):
    with pytest.raises(gfc.InputError) as caught:
        gfc.Problem(gfc.ReLUNetwork(widths), target, measure)
    for part in parts:
        assert part in str(caught.value)


# ---------------------------------------------------------------------------------------------------
# Data sets
# ---------------------------------------------------------------------------------------------------


def test_diabetes():
    measure = measures.DataSet("diabetes")
    raw = datasets.load_diabetes(as_frame=True, scaled=False)
    x, y = raw.data.to_numpy(), raw.target.to_numpy()
    train, test = measure.points, measure.test
    assert train.shape == (354, 10)
    assert test[0].shape == (88, 10)
    assert measure.labels.shape == (354, 1)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose([measure.labels.mean(), measure.labels.std()], [0, 1], atol=1e-12)
    # Scaling is affine, one for each column, and no row is lost or in both parts.
    scaled = np.concatenate([train, test[0]])
    for column in range(10):
        slope, intercept = np.polyfit(np.sort(x[:, column]), np.sort(scaled[:, column]), 1)
        np.testing.assert_allclose(
            np.sort(slope * x[:, column] + intercept), np.sort(scaled[:, column]), atol=1e-10
        )
    labels = np.concatenate([measure.labels, test[1]])[:, 0]
    plain = measures.DataSet("diabetes", standardize=False)
    together = np.concatenate([plain.labels, plain.test[1]])[:, 0]
    np.testing.assert_array_equal(np.sort(together), np.sort(y))
    np.testing.assert_allclose(np.corrcoef(labels, together)[0, 1], 1.0)
    rows = {tuple(row) for row in np.column_stack([plain.points, plain.labels])}
    held = {tuple(row) for row in np.column_stack(plain.test)}
    assert not rows & held
    assert rows | held == {tuple(row) for row in np.column_stack([x, y])}


def test_the_split_is_reproducible_and_chosen_by_the_seed():
    one, two, other = (measures.DataSet("diabetes", seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.points, two.points)
    assert not np.array_equal(one.points, other.points)
    assert measures.DataSet("diabetes", test_fraction=0.0).test is None
    assert measures.DataSet("diabetes", test_fraction=0.5).points.shape == (221, 10)
    problem = gfc.Problem(gfc.ReLUNetwork((10, 4, 1)), targets.Labels(), one)
    assert problem.risk(np.zeros(49)) == pytest.approx(1.0)
    assert problem.has_test
    assert hash(one) == hash(two)
    assert one == two


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("linnerud", (20, 3, 3)),
        ("iris", (150, 4, 1)),
        ("wine", (178, 13, 1)),
        ("breast-cancer", (569, 30, 1)),
    ],
)
def test_other_data_sets(source, shape):
    measure = measures.DataSet(source, test_fraction=0)
    assert (*measure.points.shape, measure.labels.shape[1]) == shape
    gfc.Problem(gfc.ReLUNetwork((shape[1], 3, shape[2])), targets.Labels(), measure)


@pytest.fixture
def table(tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """A CSV file with numbers and text."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 4)), columns=["age", "height", "weight", "pulse"])
    frame["name"] = [f"person {n}" for n in range(30)]
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    return path, frame


def test_csv(table):
    path, frame = table
    options = {"standardize": False, "test_fraction": 0.0}
    measure = measures.DataSet(path, outputs=["pulse"], **options)
    np.testing.assert_allclose(measure.points, frame[["age", "height", "weight"]].to_numpy())
    np.testing.assert_allclose(measure.labels[:, 0], frame["pulse"])
    measure = measures.DataSet(path, outputs=("pulse", "age"), inputs="weight", **options)
    np.testing.assert_allclose(measure.points[:, 0], frame["weight"])
    np.testing.assert_allclose(measure.labels, frame[["pulse", "age"]].to_numpy())
    assert measures.DataSet(path, outputs="pulse").points.shape == (24, 3)


def test_a_column_that_is_constant_is_kept(table):
    path, frame = table
    frame["age"] = 3.0
    frame.to_csv(path, index=False)
    measure = measures.DataSet(path, outputs="pulse")
    assert not measure.points[:, 0].any()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"outputs": "puls"}, ("puls", "Did you mean 'pulse'")),
        ({"outputs": "pulse", "inputs": ["age", "heigth"]}, ("heigth", "Did you mean 'height'")),
        ({}, ("outputs must name", "age, height, weight, pulse")),
        ({"outputs": ["age", "height", "weight", "pulse"]}, ("no columns are left",)),
        ({"outputs": "pulse", "test_fraction": 1.0}, ("test_fraction", "1.0")),
        ({"outputs": "pulse", "test_fraction": 0.999}, ("no rows are left",)),
        ({"outputs": "pulse", "seed": -1}, ("seed",)),
        ({"outputs": "name"}, ("name",)),
    ],
)
def test_wrong_columns(table, options, parts):
    with pytest.raises(gfc.InputError) as caught:
        measures.DataSet(table[0], **options)
    for part in parts:
        assert part in str(caught.value)


def test_missing_numbers_are_refused_by_row(table):
    path, frame = table
    frame.loc[4, "height"] = np.nan
    frame.to_csv(path, index=False)
    with pytest.raises(gfc.InputError, match="row 5"):
        measures.DataSet(path, outputs="pulse")
    # Where it does not matter, it does not matter.
    assert measures.DataSet(path, outputs="pulse", inputs=["age"]).dimension == 1


def test_a_file_that_has_changed_is_read_again(table):
    path, frame = table
    before = measures.DataSet(path, outputs="pulse", standardize=False).points.copy()
    frame["age"] += 100.0
    frame.to_csv(path, index=False)
    after = measures.DataSet(path, outputs="pulse", standardize=False).points
    np.testing.assert_allclose(after[:, 0] - before[:, 0], 100.0)


@pytest.mark.parametrize("source", ["diabetis", "no-such-file.csv", "no-such-file.nc", "."])
def test_sources_that_do_not_exist(source):
    with pytest.raises(gfc.InputError, match="diabetes, linnerud") as caught:
        measures.DataSet(source, outputs="y")
    assert source in str(caught.value)


@pytest.mark.parametrize("content", ["", "a,b\n", "a,b\n1,2\n3,4,5\n", "\x00\xff\xfe binary"])
def test_files_that_are_no_tables(tmp_path, content):
    path = tmp_path / "broken.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(gfc.InputError, match=r"broken\.csv"):
        measures.DataSet(path, outputs="b")
    path = path.rename(tmp_path / "broken.nc")
    with pytest.raises(gfc.InputError, match=r"broken\.nc"):
        measures.DataSet(path, outputs="b")


def write_netcdf(path, **columns):
    with netCDF4.Dataset(path, "w") as file:
        for name, values in columns.items():
            dimension = f"row_{len(values)}"
            if dimension not in file.dimensions:
                file.createDimension(dimension, len(values))
            variable = file.createVariable(name, np.asarray(values).dtype, (dimension,))
            variable[:] = values


def test_netcdf(tmp_path):
    rng = np.random.default_rng(1)
    columns = {name: rng.normal(size=25) for name in ("x", "y", "z")} | {
        "count": np.arange(25, dtype=np.int32)
    }
    path = tmp_path / "data.nc"
    write_netcdf(path, **columns)
    measure = measures.DataSet(path, outputs="z", standardize=False, test_fraction=0.0)
    np.testing.assert_array_equal(measure.points, np.column_stack([columns[c] for c in ("x", "y", "count")]))
    np.testing.assert_array_equal(measure.labels[:, 0], columns["z"])
    with pytest.raises(gfc.InputError, match="Did you mean 'count'"):
        measures.DataSet(path, outputs="z", inputs="cuont")


def test_missing_numbers_in_netcdf_are_refused(tmp_path):
    """What is masked by a fill value is missing; it is not the number 9.97e36."""
    path = tmp_path / "data.nc"
    values = np.ma.array(np.arange(6.0), mask=[0, 0, 0, 1, 0, 0])
    write_netcdf(path, x=values, y=np.arange(6.0))
    with pytest.raises(gfc.InputError, match="row 4"):
        measures.DataSet(path, outputs="y")


def test_columns_of_different_lengths_are_refused(tmp_path):
    path = tmp_path / "data.nc"
    write_netcdf(path, x=np.arange(6.0), y=np.arange(6.0), other=np.arange(4.0))
    with pytest.raises(gfc.InputError, match="other"):
        measures.DataSet(path, outputs="y")
    assert measures.DataSet(path, outputs="y", inputs="x").dimension == 1


# ---------------------------------------------------------------------------------------------------
# Stochastic gradients and descent, for every kind of problem
# ---------------------------------------------------------------------------------------------------


def kinds():
    """Return one problem of each kind."""
    rng = np.random.default_rng(11)
    points = measures.Points(rng.normal(size=(9, 2)), rng.random(9), rng.normal(size=(9, 2)))
    two = targets.Stack([targets.RadialBump([0.3, 0.4]), targets.Affine([[1.0, -1.0]])])
    rule = gfc.Quadrature(nodes=512)
    truncated = measures.TruncatedNormal(0.3, 0.4, 0.0, 1.0)
    return {
        "line": gfc.Problem(gfc.ReLUNetwork((1, 4, 2)), targets.Sine((1.0, -0.5)), truncated),
        "deep line": gfc.Problem(gfc.ReLUNetwork((1, 4, 3, 2)), targets.Sine((1.0, -0.5)), truncated),
        "box": gfc.Problem(gfc.ReLUNetwork((2, 4, 2)), two, LAWS["product"], rule),
        "density": gfc.Problem(gfc.ReLUNetwork((2, 4, 3, 2)), two, LAWS["box density"], rule),
        "points": gfc.Problem(gfc.ReLUNetwork((2, 4, 3, 2)), targets.Labels(), points),
        "discretised": gfc.Problem(gfc.ReLUNetwork((2, 4, 2)), two, LAWS["box density"].discretize(32)),
    }


PROBLEMS = kinds()


def networks(problem, count, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([any_theta(rng, problem.network.widths) for _ in range(count)])


@pytest.mark.parametrize("kind", PROBLEMS)
def test_sample_gradient_is_unbiased(kind):
    """The mean of 4000 gradients of batches of 5 is the gradient, within 4.5 standard errors each."""
    problem = PROBLEMS[kind]
    theta = networks(problem, 1)[0]
    found = problem.sample_gradient(np.tile(theta, (4000, 1)), 5, np.random.default_rng(1))
    expected = problem.gradient(theta)
    error = found.std(axis=0) / np.sqrt(4000)
    assert (np.abs(found.mean(axis=0) - expected) <= 4.5 * error + 1e-7 * np.abs(expected).max()).all()
    assert (error > 0).sum() > expected.size / 2


@pytest.mark.parametrize("kind", PROBLEMS)
def test_variance_of_a_sample_gradient_falls_with_the_batch(kind):
    problem = PROBLEMS[kind]
    theta = np.tile(networks(problem, 1)[0], (1500, 1))
    rng = np.random.default_rng(2)
    one, many = (problem.sample_gradient(theta, size, rng).var(axis=0).sum() for size in (1, 16))
    assert one / many == pytest.approx(16.0, rel=0.3)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_sample_gradient_takes_any_shape(kind):
    problem = PROBLEMS[kind]
    theta = networks(problem, 6)
    cube = theta.reshape(2, 3, -1)
    flat = problem.sample_gradient(theta, 4, np.random.default_rng(3))
    assert np.array_equal(
        problem.sample_gradient(cube, 4, np.random.default_rng(3)), flat.reshape(cube.shape)
    )
    assert problem.sample_gradient(theta[0], 4, np.random.default_rng(3)).shape == theta[0].shape
    assert problem.sample_gradient(theta[:0], 4, np.random.default_rng(3)).shape == theta[:0].shape
    with pytest.raises(gfc.InputError, match="batch_size"):
        problem.sample_gradient(theta, 0, np.random.default_rng(3))


def streams(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, size=(count, 4), dtype=np.uint64)


@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("normalize", [False, True])
def test_descent_does_not_depend_on_the_batch_nor_on_blocks(kind, normalize):
    problem = PROBLEMS[kind]
    network = problem.network
    theta = networks(problem, 5)
    theta = network.normalize(theta) if normalize else theta
    sizes = np.geomspace(0.05, 0.01, 23)
    options = {"batch_size": 3, "normalize": normalize}
    found, taken, after = problem.descend_sampled(theta, sizes, streams=streams(5), **options)
    assert taken.tolist() == [23] * 5
    for m in range(5):
        alone, _, state = problem.descend_sampled(
            theta[m : m + 1], sizes, streams=streams(5)[m : m + 1], **options
        )
        assert np.array_equal(alone[0], found[m])
        assert np.array_equal(state[0], after[m])
    first, _, state = problem.descend_sampled(theta, sizes[:7], streams=streams(5), **options)
    second, _, state = problem.descend_sampled(first, sizes[7:], streams=state, **options)
    assert np.array_equal(second, found)
    assert np.array_equal(state, after)
    assert not np.array_equal(found, theta)
    if normalize:
        assert network.distance_to_manifold(found).max() < 1e-14
        plain, _ = problem.descend(theta, sizes, normalize=True)
        assert network.distance_to_manifold(plain).max() < 1e-14
    # Nothing that was passed in has changed.
    assert np.array_equal(streams(5), streams(5))


@pytest.mark.sampled
@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 6, 131])
def test_steps_equal_a_loop(kind, normalize, batch):
    """Also where one trajectory leaves the ball before the others: it stops at that step."""
    problem = PROBLEMS[kind]
    network, rows = problem.network, networks(problem, 3)
    rows = network.normalize(rows) if normalize else rows
    rows[1] *= 1.0 if normalize else 3.0
    sizes, states = np.geomspace(0.08, 0.02, 12), streams(3)
    norms = np.empty((len(rows), len(sizes)))
    every, drawn = rows.copy(), states.copy()
    for n, size in enumerate(sizes):
        if batch:
            x, y = problem._evaluator.sampler(drawn, batch)
            mass = np.full(batch, 1 / batch)
            parts = zip(every, x, y, strict=True)
            gradient = np.array([any_backprop(network.widths, *part, mass)[1] for part in parts])
        else:
            gradient = problem.gradient(every)
        every = every - size * (network.project(every, gradient) if normalize else gradient)
        every = network.retract(every) if normalize else every
        norms[:, n] = np.linalg.norm(every, axis=1)
    bound = 1.0001 * np.sort(norms.max(axis=1))[-2]  # one of them leaves, if it moves at all
    if batch:
        options = {"batch_size": batch, "streams": states, "normalize": normalize}
        found, _, _ = problem.descend_sampled(rows, sizes, **options)
        _, taken, _ = problem.descend_sampled(rows, sizes, bound=bound, **options)
    else:
        found, _ = problem.descend(rows, sizes, normalize=normalize)
        _, taken = problem.descend(rows, sizes, normalize=normalize, bound=bound)
    assert np.abs(found - every).max() < 1e-12 * max(np.abs(every).max(), 1.0)
    left = norms > bound
    assert taken.tolist() == [np.argmax(row) + 1 if row.any() else len(sizes) for row in left]
    assert left.any(axis=1).sum() == 1


@pytest.mark.parametrize("kind", PROBLEMS)
def test_blocks_in_which_batches_are_drawn_do_not_matter(kind, monkeypatch):
    from gfcompare.evaluators import base

    problem = PROBLEMS[kind]
    theta, sizes = networks(problem, 3), np.full(17, 0.02)
    expected = problem.descend_sampled(theta, sizes, batch_size=4, streams=streams(3))
    for held in (1, 30, 100):
        monkeypatch.setattr(base, "_POINTS_HELD", held)
        found = problem.descend_sampled(theta, sizes, batch_size=4, streams=streams(3))
        for a, b in zip(found, expected, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.sampled
@pytest.mark.parametrize("kind", PROBLEMS)
def test_stochastic_descent_follows_the_mean(kind):
    """One small step from the same network on 4000 batches: on average a step along the gradient."""
    problem = PROBLEMS[kind]
    theta = networks(problem, 1, seed=4)[0]
    rows, _, _ = problem.descend_sampled(
        np.tile(theta, (4000, 1)), np.array([0.01]), batch_size=5, streams=streams(4000)
    )
    moves = (theta - rows) / 0.01
    expected = problem.gradient(theta)
    error = moves.std(axis=0) / np.sqrt(4000)
    assert (np.abs(moves.mean(axis=0) - expected) <= 4.5 * error + 1e-7 * np.abs(expected).max()).all()


def test_batches_on_points_by_hand():
    """The streams are xoshiro256++; one number chooses a point, by its mass."""
    rng = np.random.default_rng(7)
    problem, x, y, weights = labelled((2, 3, 1), 6, rng)
    theta = networks(problem, 2)
    found, _, _ = problem.descend_sampled(theta, np.array([0.1, 0.05]), batch_size=4, streams=streams(2))
    edges = np.cumsum(weights)
    for m in range(2):
        stream, row = Stream(streams(2)[m]), theta[m]
        for size in (0.1, 0.05):
            chosen = np.searchsorted(edges, [next(stream) for _ in range(4)], side="right")
            _, gradient = any_backprop((2, 3, 1), row, x[chosen], y[chosen], np.full(4, 0.25))
            row = row - size * gradient
        np.testing.assert_allclose(found[m], row, rtol=1e-12, atol=1e-14)


def test_points_are_drawn_by_their_mass():
    measure = measures.Points([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 3.0, 4.0])
    drawn = measure.sample(np.random.default_rng(0), 8000)
    assert drawn.shape == (8000,)
    counts = [(drawn == value).sum() for value in (1, 2, 3, 4)]
    assert counts[1] == 0
    assert stats.chisquare([counts[0], counts[2], counts[3]], [1000, 3000, 4000]).pvalue > 1e-3
    assert measure.indices(np.array([0.0, 0.125, np.nextafter(1.0, 0.0)])).tolist() == [0, 2, 3]


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_trajectory_that_diverges_stops_alone(kind):
    problem = PROBLEMS[kind]
    theta = networks(problem, 3)
    theta[1] *= 1e6
    sizes = np.full(40, 0.01)
    found, taken = problem.descend(theta, sizes, bound=1e12)
    assert taken[1] < 40
    assert taken[[0, 2]].tolist() == [40, 40]
    assert np.array_equal(found[[0, 2]], problem.descend(theta[[0, 2]], sizes)[0])
    sampled, taken, _ = problem.descend_sampled(theta, sizes, batch_size=3, streams=streams(3), bound=1e12)
    assert taken[1] < 40
    alone = problem.descend_sampled(theta[[0, 2]], sizes, batch_size=3, streams=streams(3)[[0, 2]])[0]
    assert np.array_equal(sampled[[0, 2]], alone)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_no_trajectories_at_all(kind):
    problem = PROBLEMS[kind]
    empty = np.empty((0, problem.network.parameter_count))
    assert problem.descend(empty, np.full(3, 0.1))[0].shape == empty.shape
    found = problem.descend_sampled(empty, np.full(3, 0.1), batch_size=2, streams=streams(0))
    assert [part.shape for part in found] == [empty.shape, (0,), (0, 4)]
