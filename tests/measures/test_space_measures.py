"""Measures of several inputs: laws, streams, and what a study file may say about them."""

from __future__ import annotations

from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, Stream
from scipy import stats
from scipy.integrate import dblquad, quad
from support import in_process, refused

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.evaluators.quadrature import Quadrature, preintegrated, unit_rule
from gfcompare.piecewise.segments import Lines


def exponential(x):
    return 3.0 * np.exp(-2.0 * x[:, 0] * x[:, 1])


def ring(x):
    """A density that vanishes on most of the box, with a jump."""
    radius = np.linalg.norm(x - 0.5, axis=1)
    return np.where((radius > 0.2) & (radius < 0.4), 1.0 + x[:, 0], 0.0)


FACTORS = (
    measures.TruncatedNormal(0.3, 0.4, 0.0, 1.0),
    measures.PiecewisePolynomial([-1, 0, 2], [[1.0], [0.0, 1.0]]),
)
LAWS = {
    "box": measures.Box((-1.0, 0.0), (2.0, 5.0), 2),
    "box of four": measures.Box(-0.5, 0.5, 4),
    "product": measures.Product(FACTORS),
    "product of three": measures.Product([*FACTORS, measures.Uniform(10.0, 11.0)]),
    "exponential": measures.BoxDensity(exponential),
    "on a large box": measures.BoxDensity(
        lambda x: np.exp(-((x - 3) ** 2).sum(axis=1) / 2), (-1.0, 0.0), 7.0, 2
    ),
    "ring": measures.BoxDensity(ring),
    "of three": measures.BoxDensity(lambda x: x.sum(axis=1), 0.0, 1.0, 3),
}


def streams(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, size=(count, 4), dtype=np.uint64)


# ---------------------------------------------------------------------------------------------------
# Streams
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
def test_two_draws_are_one(law):
    measure = LAWS[law]
    state = streams(3)
    together = measure.draw(state, 40)
    assert together.shape == (3, 40, measure.dimension)
    parts = streams(3)
    found = np.concatenate([measure.draw(parts, n) for n in (1, 0, 26, 13)], axis=1)
    assert np.array_equal(found, together)
    assert np.array_equal(parts, state)
    for m in range(3):
        alone = streams(3)[m : m + 1]
        assert np.array_equal(measure.draw(alone, 40)[0], together[m])
        assert np.array_equal(alone[0], state[m])


@QUICK
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=6), st.sampled_from(["ring", "exponential", "of three"])
)
def test_rejection_advances_streams_exactly(counts, law):
    measure = LAWS[law]
    one, other = streams(2, seed=1), streams(2, seed=1)
    parts = [measure.draw(one, n) for n in counts]
    assert np.array_equal(np.concatenate(parts, axis=1), measure.draw(other, sum(counts)))
    assert np.array_equal(one, other)


def test_no_streams_and_no_points():
    for measure in LAWS.values():
        d = measure.dimension
        assert measure.draw(streams(0), 5).shape == (0, 5, d)
        assert measure.draw(streams(2), 0).shape == (2, 0, d)
        assert measure.sample(np.random.default_rng(0), 0).shape == (0, d)
        assert measure.sample(np.random.default_rng(0), (3, 0)).shape == (3, 0, d)
        assert measure.sample(np.random.default_rng(0), (2, 3)).shape == (2, 3, d)


def test_draws_by_hand():
    """Independent inputs: d numbers a point, in order, through the quantiles."""
    state = streams(1)
    stream = Stream(state[0])
    points = LAWS["product"].draw(state, 3)[0]
    for point in points:
        for value, factor in zip(point, FACTORS, strict=True):
            law = stats.truncnorm(-0.75, 1.75, 0.3, 0.4) if factor is FACTORS[0] else None
            u = next(stream)
            assert law is None or law.cdf(value) == pytest.approx(u, abs=1e-9)


def test_rejection_of_a_concentrated_density_is_no_crawl():
    """A Gaussian of width 0.05 in four dimensions: one trial in some 6000 is accepted.

    The function is called on many trials at a time, also when few points are missing.
    """
    calls = []

    def narrow(x):
        calls.append(len(x))
        return np.exp(-((x - 0.5) ** 2).sum(axis=1) / (2 * 0.05**2))

    measure = measures.BoxDensity(narrow, dimension=4)
    measure.sample(np.random.default_rng(0), 1)
    calls.clear()
    points = measure.sample(np.random.default_rng(1), 20)
    assert abs(points.mean() - 0.5) < 0.05
    assert len(calls) < 500


# ---------------------------------------------------------------------------------------------------
# Laws
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["draw", "sample"])
@pytest.mark.parametrize("law", LAWS)
def test_marginals(law, way):
    """Kolmogorov-Smirnov on the marginals, against the density integrated over the other inputs."""
    measure = LAWS[law]
    count = 4000
    rng = np.random.default_rng(0)
    points = (
        measure.draw(streams(4), count // 4).reshape(count, -1)
        if way == "draw"
        else measure.sample(rng, count)
    )
    box = measure.box
    assert (points >= box[:, 0]).all()
    assert (points <= box[:, 1]).all()
    d = measure.dimension
    # The marginals on a grid of midpoints.
    cells = 200 if d == 2 else 40 if d == 3 else 16
    grids = [a + (b - a) * (np.arange(cells) + 0.5) / cells for a, b in box]
    mesh = np.stack([g.ravel() for g in np.meshgrid(*grids, indexing="ij")], axis=1)
    table = measure.density(mesh).reshape((cells,) * d)
    for m in range(d):
        marginal = table.sum(axis=tuple(k for k in range(d) if k != m))
        edges = np.linspace(*box[m], cells + 1)
        distribution = np.concatenate([[0.0], np.cumsum(marginal) / marginal.sum()])
        found = stats.kstest(points[:, m], lambda x, e=edges, p=distribution: np.interp(x, e, p))
        assert found.pvalue > 1e-3, (m, found)


@pytest.mark.parametrize("law", ["exponential", "ring", "on a large box", "product"])
def test_joint_law(law):
    """Chi-squared on 4 x 4 cells of the box."""
    measure = LAWS[law]
    points = measure.draw(streams(1, seed=5), 6000)[0]
    (a, b), (c, d) = measure.box
    places = np.linspace(a, b, 5), np.linspace(c, d, 5)
    counts = np.histogram2d(points[:, 0], points[:, 1], bins=places)[0]
    fine = 80
    x = a + (b - a) * (np.arange(4 * fine) + 0.5) / (4 * fine)
    y = c + (d - c) * (np.arange(4 * fine) + 0.5) / (4 * fine)
    mesh = np.stack([g.ravel() for g in np.meshgrid(x, y, indexing="ij")], axis=1)
    mass = measure.density(mesh).reshape(4, fine, 4, fine).sum(axis=(1, 3))
    expected = (mass / mass.sum() * 6000).ravel()
    keep = expected > 5
    assert counts.ravel()[~keep].sum() < 30
    scale = counts.ravel()[keep].sum() / expected[keep].sum()
    assert stats.chisquare(counts.ravel()[keep], scale * expected[keep]).pvalue > 1e-3


@pytest.mark.thorough
def test_density_of_a_product():
    product = LAWS["product"]
    x = np.random.default_rng(0).uniform(-1.5, 2.5, size=(200, 2))
    first = stats.truncnorm(-0.75, 1.75, 0.3, 0.4).pdf(x[:, 0])
    second = np.where(x[:, 1] < 0, 1.0, x[:, 1]) / 3 * ((x[:, 1] >= -1) & (x[:, 1] <= 2))
    np.testing.assert_allclose(product.density(x), first * second, rtol=1e-9, atol=1e-12)
    total = dblquad(lambda y, x: product.density(np.array([[x, y]]))[0], 0, 1, lambda _: 0.0, lambda _: 2.0)[
        0
    ]
    assert total == pytest.approx(2 / 3, rel=1e-8)


def test_the_peak_is_found():
    """The bound of the rejection is above the density everywhere: a narrow peak off the centre."""
    for seed in range(5):
        centre = np.random.default_rng(seed).random(3)
        measure = measures.BoxDensity(
            lambda x, c=centre: 0.1 + np.exp(-((x - c) ** 2).sum(axis=1) / (2 * 0.03**2)), dimension=3
        )
        assert measure._bound >= 1.1
        assert measure._bound < 1.3


def test_a_peak_that_was_missed_is_not_cut_off():
    """Half of the mass is in a square of side 0.003: found at first, or said when a point falls on it."""
    hidden = np.array([0.123456, 0.654321])

    def peaked(x):
        return 1.0 + np.where(np.abs(x - hidden).max(axis=1) < 1.6e-3, 1e5, 0.0)

    measure = measures.BoxDensity(peaked)
    if measure._bound < 1e5:
        with pytest.raises(gfc.InputError, match="density"):
            measure.sample(np.random.default_rng(0), 400_000)


# ---------------------------------------------------------------------------------------------------
# Quadrature
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dimension"), [(1, 1), (7, 1), (64, 1), (9, 2), (64, 2), (16, 3), (64, 9)])
def test_unit_rules(count, dimension):
    nodes, weights = unit_rule(count, dimension)
    assert nodes.shape == (count, dimension)
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert (nodes > 0).all()
    assert (nodes < 1).all()
    if dimension <= 2:
        each = round(count ** (1 / dimension))
        for power in range(2 * each):
            assert weights @ nodes[:, 0] ** power == pytest.approx(1 / (power + 1), rel=1e-12)
            assert weights @ nodes.prod(axis=1) ** power == pytest.approx(
                1 / (power + 1) ** dimension, rel=1e-12
            )


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("coordinate", [0, 1])
def test_the_lines_of_a_rule_carry_mass_one_and_the_mean(law, coordinate):
    """The mean of each input under the rule is that of the measure."""
    measure = LAWS[law]
    d = measure.dimension
    count = 1024 if d != 3 else 24**2
    target = targets.Constant(1.0)
    segments, values = preintegrated(target, measure, count, coordinate)
    x, w = segments.nodes if hasattr(segments, "nodes") else values.nodes, values.weights
    half_widths = segments.half / segments.scales
    s_powers = x[:, None] ** np.arange(values.density.shape[1])[::-1]
    density = values.density @ s_powers.T  # (n, q)
    owners = np.repeat(np.arange(len(segments.weights)), np.diff(segments.offsets))
    mass = density * w * half_widths[:, None] * segments.weights[owners][:, None]
    assert mass.sum() == pytest.approx(1.0, rel=1e-12)
    along = segments.middle + segments.half * (segments.centres[:, None] + x / segments.scales[:, None])
    means = segments.positions[owners].T @ mass.sum(axis=1)
    means[coordinate] = (along * mass).sum()
    points = measure.draw(streams(1, seed=9), 20_000)[0]
    error = points.std(axis=0) / np.sqrt(20_000)
    slack = 2e-3 if law == "ring" else 1e-3 if d == 4 else 0.0
    assert (np.abs(means - points.mean(axis=0)) < 4.5 * error + slack).all()
    if law == "exponential":
        numerator = dblquad(lambda y, x: x * np.exp(-2 * x * y), 0, 1, 0, 1)[0]
        total = dblquad(lambda y, x: np.exp(-2 * x * y), 0, 1, 0, 1)[0]
        np.testing.assert_allclose(means, numerator / total, rtol=1e-9)


def test_density_along_lines():
    measure = LAWS["exponential"]
    nodes = np.array([[0.0, 0.25], [0.0, 0.75]])
    bundle = measure.along(Lines(0.0, 1.0, 0, nodes))
    expected = [quad(lambda x, y=y: 3 * np.exp(-2 * x * y), 0, 1)[0] for y in (0.25, 0.75)]
    np.testing.assert_allclose(bundle.integral()[:, 0], expected, rtol=1e-12)


# ---------------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: measures.Box(0.0, 1.0, 1), ("dimension", "from 2 to", "1")),
        (lambda: measures.Box(0.0, 1.0, 2.0), ("dimension", "2.0")),
        (lambda: measures.Box(0.0, 1.0, True), ("dimension",)),
        (lambda: measures.Box((0.0, 1.0, 2.0), 3.0, 2), ("lower", "2 numbers")),
        (lambda: measures.Box(0.0, (1.0, -1.0), 2), ("lower < upper", "-1.0")),
        (lambda: measures.Box(0.0, (1.0, np.inf), 2), ("finite",)),
        (lambda: measures.Box("zero", 1.0, 2), ("lower", "zero")),
        (lambda: measures.Product([measures.Uniform()]), ("at least two factors",)),
        (lambda: measures.Product([measures.Uniform(), measures.Box()]), ("factor 2", "'box'")),
        (lambda: measures.Product([measures.Uniform(), 3.0]), ("factor 2",)),
        (lambda: measures.BoxDensity(3.0), ("callable", "3.0")),
        (lambda: measures.BoxDensity(exponential, 1.0, 0.0), ("lower < upper",)),
    ],
)
def test_wrong_boxes(make, parts):
    with pytest.raises(gfc.InputError) as caught:
        make()
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (lambda x: -np.ones(len(x)), ("density", "-1")),
        (lambda x: np.full(len(x), np.nan), ("density", "nan")),
        (lambda x: np.zeros(len(x)), ("mass 0",)),
        (lambda x: np.ones((len(x), 2)), ("shape",)),
        (lambda x: x[:, 5], ("density", "IndexError")),
    ],
)
def test_wrong_densities(function, parts):
    """Said with one message, by whatever needs the density first."""
    problem = None
    with pytest.raises(gfc.InputError) as caught:
        problem = gfc.Problem(
            gfc.ReLUNetwork((2, 3, 1)), targets.Constant(1.0), measures.BoxDensity(function), Quadrature(8)
        )
        problem.risk(np.ones(13))
    for part in parts:
        assert part in str(caught.value)
    with pytest.raises(gfc.InputError):
        measures.BoxDensity(function).sample(np.random.default_rng(0), 3)


def test_measures_are_values():
    assert measures.Box([0.0, 1.0], 2.0) == measures.Box((0.0, 1.0), 2.0)
    assert hash(measures.Box([0.0, 1.0], 2.0)) == hash(measures.Box((0.0, 1.0), 2.0))
    for measure in LAWS.values():
        copy = cloudpickle.loads(cloudpickle.dumps(measure))
        assert np.array_equal(copy.draw(streams(2), 5), measure.draw(streams(2), 5))
        assert copy.box.tolist() == measure.box.tolist()
        hash(measure)


# ---------------------------------------------------------------------------------------------------
# Study files
# ---------------------------------------------------------------------------------------------------

BOX_STUDY = """\
name = "box"
seeds = 1
[times]
end = 0.2
count = 2
[network]
widths = [2, 3, 1]
[measure]
name = "box"
lower = [0.0, -1.0]
upper = 2.0
dimension = 2
[quadrature]
nodes = 8
coordinate = 2
[targets.radial-bump]
centre = [0.5, 0.5]
[integrators.gd]
step_size = 0.1
"""

DATA_STUDY = """\
name = "data"
seeds = 1
[times]
end = 0.2
count = 2
[network]
widths = [10, 3, 1]
[measure]
name = "data-set"
source = "diabetes"
test_fraction = 0.25
seed = 3
[targets.labels]
[integrators.sgd]
step_size = 0.1
batch_size = 4
"""


def study(tmp_path: Path, text: str, *changes: tuple[str, str]) -> Path:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_study_file_with_a_box(tmp_path):
    read = gfc.Study.from_toml(study(tmp_path, BOX_STUDY))
    (spec,) = read.problems
    assert spec.measure == measures.Box((0.0, -1.0), 2.0, 2)
    assert spec.problem.quadrature == Quadrature(8, 2)
    assert spec.problem.rule.nodes == 8
    tree = read.run(tmp_path / "results", jobs=1)
    data = tree[next(iter(tree.children))]
    assert np.isfinite(data["risk"].values).all()
    assert "quadrature_error" in data


def test_study_file_with_a_product(tmp_path):
    text = BOX_STUDY.replace('name = "box"\nlower = [0.0, -1.0]\nupper = 2.0\ndimension = 2\n', "")
    text = text.replace(
        "[measure]\n",
        '[measure]\nname = "product"\nfactors = [{ name = "uniform", upper = 2.0 }, '
        '{ name = "truncated-normal", mean = 0.5, standard_deviation = 0.5 }]\n',
    )
    read = gfc.Study.from_toml(study(tmp_path, text))
    assert read.problems[0].measure.dimension == 2


def test_study_file_with_a_data_set(tmp_path):
    read = gfc.Study.from_toml(study(tmp_path, DATA_STUDY))
    (spec,) = read.problems
    assert spec.problem.has_test
    assert spec.problem.measure.points.shape == (332, 10)
    tree = read.run(tmp_path / "results", jobs=1)
    data = tree[next(iter(tree.children))]
    assert np.isfinite(data["test_risk"].values).all()


def test_study_file_with_a_file_next_to_it(tmp_path):
    np.savetxt(
        tmp_path / "own.csv",
        np.random.default_rng(0).normal(size=(20, 3)),
        delimiter=",",
        header="a,b,y",
        comments="",
    )
    path = study(
        tmp_path,
        DATA_STUDY,
        ('source = "diabetes"', 'source = "own.csv"\noutputs = ["y"]'),
        ("10, 3", "2, 3"),
    )
    assert gfc.Study.from_toml(path).problems[0].problem.measure.points.shape == (15, 2)


WRONG = [
    (BOX_STUDY, ("lower =", "lowr ="), ("measure", "lowr", "Did you mean 'lower'?")),
    (BOX_STUDY, ('name = "box"\nlower', 'name = "boks"\nlower'), ("measure", "boks", "Did you mean 'box'?")),
    (BOX_STUDY, ("nodes = 8", "node = 8"), ("quadrature", "Did you mean 'nodes'?")),
    (BOX_STUDY, ("[quadrature]", "[quadratur]"), ("quadratur", "Did you mean 'quadrature'?")),
    (BOX_STUDY, ("nodes = 8", "nodes = 8.5"), ("quadrature.nodes", "8.5")),
    (BOX_STUDY, ("nodes = 8", "nodes = 0"), ("nodes", "0")),
    (BOX_STUDY, ("coordinate = 2", "coordinate = 3"), ("coordinate", "d = 2", "3")),
    (BOX_STUDY, ("dimension = 2", "dimension = 3"), ("lower", "3 numbers")),
    (BOX_STUDY, ("lower = [0.0, -1.0]", "lower = 3.0"), ("measure", "lower < upper")),
    (BOX_STUDY, ("[2, 3, 1]", "[1, 3, 1]"), ("d = 1", "d = 2")),
    (BOX_STUDY, ("[2, 3, 1]", "[2, 3, 2]"), ("K = 1", "K = 2", "[2, 3, 1]")),
    (BOX_STUDY, ("[0.5, 0.5]", "[0.5, 0.5, 0.5]"), ("d = 3", "d = 2")),
    (BOX_STUDY, ("[targets.radial-bump]\ncentre = [0.5, 0.5]", "[targets.labels]"), ("labels", "data-set")),
    (BOX_STUDY, ("[targets.radial-bump]\ncentre = [0.5, 0.5]", "[targets.sine]"), ("sine", "d = 1", "d = 2")),
    (BOX_STUDY, ('name = "box"\nlower', 'name = "box-density"\nlower'), ("measure", "function", "script")),
    (DATA_STUDY, ('"diabetes"', '"diabetis"'), ("measure", "diabetis", "diabetes, linnerud")),
    (DATA_STUDY, ("test_fraction", "test_frac"), ("Did you mean 'test_fraction'?",)),
    (DATA_STUDY, ("test_fraction = 0.25", "test_fraction = 1.5"), ("measure", "test_fraction", "1.5")),
    (DATA_STUDY, ('"diabetes"', '"diabetes"\ninputs = ["bmi", "agee"]'), ("agee", "Did you mean 'age'?")),
    (DATA_STUDY, ("[10, 3, 1]", "[9, 3, 1]"), ("d = 9", "d = 10")),
    (DATA_STUDY, ("[10, 3, 1]", "[10, 3, 3]"), ("K = 3", "K = 1")),
]


@pytest.mark.parametrize(("text", "change", "parts"), WRONG)
def test_wrong_study_files(tmp_path, text, change, parts):
    path = study(tmp_path, text, change)
    with pytest.raises(gfc.InputError) as caught:
        gfc.Study.from_toml(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@pytest.mark.sampled("text3-change3-parts3")
@pytest.mark.parametrize(
    ("text", "change", "parts"), [WRONG[1], WRONG[6], WRONG[9], WRONG[12], WRONG[15], WRONG[18]]
)
def test_the_command_says_it_in_one_message(tmp_path, text, change, parts):
    refused(in_process("validate", study(tmp_path, text, change)), *parts)
