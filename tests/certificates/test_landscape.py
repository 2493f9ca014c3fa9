"""Landscapes: known critical points, an independent search, the solver of the equations, and mutations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

import gfcompare as gfc
from gfcompare.certificates import bernstein, branch_and_bound, enumeration, knot_equations, landscape
from gfcompare.certificates.balls import precision
from gfcompare.certificates.landscape import _enumerated
from gfcompare.certificates.rational_functions import RING, T, U
from tests.support import examples, in_process

CUBIC = gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0])
QUARTIC = gfc.targets.Polynomial([0.0, 1.0, 0.0, -3.0, 2.0])
#: Critical points of the cubic with two breakpoints, or one beside a free affine part: risk and breakpoints.
#: Another program found them, by branch and bound in formulas made by hand for this target.
TWO_NEURONS = [
    (0.00395910199699958403, (0.329337, 0.772826)),
    (0.00395910199699958403, (0.227174, 0.670663)),
    (0.0153207369778328836, (0.845005, 0.923859)),
    (0.0153207369778328836, (0.076141, 0.154995)),
    (0.0153376068864101618, (0.82118, 0.873314)),
    (0.0153376068864101618, (0.126686, 0.17882)),
    (0.0153571428571428571, (0.853553,)),
    (0.0153571428571428571, (0.146447,)),
    (0.0161289056689101481, (0.304335, 0.695665)),
]


@pytest.fixture
def fresh():
    """Forget landscapes that are known, before and after a mutation."""
    _enumerated.cache_clear()
    yield
    _enumerated.cache_clear()


def _problem(hidden, target=CUBIC, measure=None):
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, measure or gfc.measures.Uniform(0.0, 1.0))


def _knots(point):
    return tuple(float(arb(text).mid()) for text in point.knots)


def _is_known(found):
    """Return whether a landscape is that of the cubic with two neurons: all points, once each, no others."""
    if not found.complete or len(found.points) != 13:
        return False
    for risk, knots in TWO_NEURONS:
        there = [
            point
            for point in found.points
            if len(point.knots) == len(knots) and np.allclose(_knots(point), knots, atol=2e-6)
        ]
        if len(there) != 1 or not there[0].risk_low - 1e-17 <= risk <= there[0].risk_high + 1e-17:
            return False
    return True


def test_one_neuron_on_the_cubic():
    found = landscape(_problem(1))
    assert found.complete
    assert [point.neurons for point in found.points[2:]] == ["fully active", "none"]
    for point, risk in zip(
        found.points, (0.0181135528200335, 0.0181135528200335, 0.8 / 35, 8 / 105), strict=True
    ):
        assert point.risk_low <= risk * (1 + 1e-14)
        assert point.risk_high >= risk * (1 - 1e-14)
        assert point.risk_high - point.risk_low < 1e-16
        assert point.kind == "minimum"
    assert {point.neurons for point in found.points[:2]} == {"right", "left"}


def test_two_neurons_on_the_cubic():
    assert _is_known(landscape(_problem(2)))


@pytest.mark.parametrize(("slope", "lower", "upper"), [(1.0, 0.0, 1.0), (-3.0, -1.0, 4.0)])
def test_an_affine_target_has_the_critical_values_of_the_theorem(slope, lower, upper):
    """Cheridito, Jentzen, Rossmannek (arXiv:2103.10922): for two neurons a saddle with equal pieces."""
    found = landscape(_problem(2, gfc.targets.Affine(slope, 0.5), gfc.measures.Uniform(lower, upper)))
    constant = slope**2 * (upper - lower) ** 2 / 12
    assert found.complete
    assert [point.kind.split(" ")[0] for point in found.points] == ["minimum", "saddle", "minimum"]
    assert [point.risk_high for point in found.points] == pytest.approx(
        [0.0, constant / 81, constant], rel=1e-13, abs=1e-30
    )
    thirds = lower + (upper - lower) * np.array([1 / 3, 2 / 3])
    assert _knots(found.points[1]) == pytest.approx(thirds)


def test_a_constant_target_and_a_symmetric_one():
    assert [p.neurons for p in landscape(_problem(2, gfc.targets.Constant(2.0))).points] == [
        "none, or fully active"
    ]
    # x - x^2: the best affine function is constant, and mirror images have the same risks.
    found = landscape(_problem(2, gfc.targets.Polynomial([0.0, 1.0, -1.0])))
    assert found.complete
    mirrored = sorted(sorted(1 - q for q in _knots(p)) for p in found.points)
    listed = sorted(list(_knots(p)) for p in found.points)
    assert np.concatenate(mirrored) == pytest.approx(np.concatenate(listed))


@pytest.mark.thorough
def test_x_squared_has_a_zero_without_a_bend_that_is_left_out_exactly():
    """At (1/3, 2/3) the fit bends at 1/3 only: there the second neuron has outgoing weight 0."""
    found = landscape(_problem(2, gfc.targets.Polynomial([0.0, 0.0, 1.0])))
    assert found.complete
    # The best fits with one and two pieces: 1/180 and 1/2880.
    risks = [point.risk_high for point in found.points]
    for risk in (1 / 180, 1 / 2880):
        assert min(abs(np.array(risks) - risk)) < 1e-17
    assert not any(np.allclose(_knots(p), (1 / 3, 2 / 3)) for p in found.points if len(p.knots) == 2)


def _searched(problem, starts, seed):
    """Return critical points from random starts, by scipy on the package's gradient in double precision.

    With |w| = 1 the equations are those of b, v and c: those of w follow, as the network does not change when
    w and b grow and v falls.
    """
    hidden = problem.network.widths[1]
    lower, upper = problem.measure.interval
    rng = np.random.default_rng(seed)
    used = [*range(hidden, 3 * hidden + 1)]
    found = []
    for _ in range(starts):
        signs = rng.choice([-1.0, 1.0], hidden)
        knots = rng.uniform(lower - 0.2 * (upper - lower), upper, hidden)

        def theta(z, signs=signs):
            return np.concatenate([signs, z])

        start = np.concatenate([-signs * knots, rng.normal(size=hidden) * 3, rng.normal(size=1)])
        solution = scipy.optimize.root(
            lambda z: problem.gradient(theta(z))[used],
            start,
            jac=lambda z: problem.hessian(theta(z))[np.ix_(used, used)],
            tol=1e-14,
        )
        b, v = solution.x[:hidden], solution.x[hidden : 2 * hidden]
        q = -b / signs
        active = (signs * lower + b > 0) & (signs * upper + b > 0)
        inside = (q > lower) & (q < upper)
        # Where r is 0 at an end, as that of the cubic's mean, the search stops short of the end.
        gap = 1e-3 * (upper - lower)
        clear = np.all(np.abs(np.subtract.outer(q, [lower, upper])) > gap)
        apart = hidden == 1 or abs(q[0] - q[1]) > gap
        if np.abs(problem.gradient(theta(solution.x))).max() > 1e-12 or not clear or not apart:
            continue
        if np.any(np.abs(v[active | inside]) < 1e-5):
            continue
        found.append((float(problem.risk(theta(solution.x))), tuple(np.sort(q[inside]))))
    return found


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("hidden", "target", "measure", "least"),
    [
        (1, CUBIC, None, 4),
        (2, CUBIC, None, 9),
        (2, QUARTIC, None, 7),
        (2, gfc.targets.Polynomial([0.0, 2.0, 1.0]), gfc.measures.Uniform(-1.0, 2.0), 5),
        (2, CUBIC, gfc.measures.PiecewisePolynomial([0.0, 1.0], [[1.0, 1.0]]), 8),
    ],
)
def test_what_another_search_finds_is_in_the_list(hidden, target, measure, least):
    problem = _problem(hidden, target, measure)
    listed = landscape(problem)
    assert listed.complete
    seen = set()
    for risk, knots in _searched(problem, 150, hidden):
        there = [
            k
            for k, point in enumerate(listed.points)
            if len(point.knots) == len(knots)
            and np.allclose(_knots(point), knots, atol=1e-6)
            and abs(point.risk_high - risk) < 1e-9 * max(1.0, risk)
        ]
        assert len(there) == 1, (risk, knots)
        seen.add(there[0])
    assert len(seen) >= least


def test_points_are_critical_and_indices_those_of_the_hessian():
    """In double precision, with all parameters: negative eigenvalues of the Hessian, and no gradient."""
    problem = _problem(2, QUARTIC)
    for point in landscape(problem).points:
        knots, bends = np.array(_knots(point)), np.array([float(arb(text).mid()) for text in point.bends])
        if len(knots) != 2:
            continue
        signs = {"right, right": (1, 1), "left, left": (-1, -1), "left, right": (-1, 1)}.get(
            point.neurons, (1, -1)
        )
        signs = np.array(signs, dtype=float)
        value = float(arb(point.point[0]).mid())
        c = value - sum(s * max(sign * -q, 0.0) for s, sign, q in zip(bends, signs, knots, strict=True))
        theta = np.concatenate([signs, -signs * knots, bends, [c]])
        assert problem.risk(theta) == pytest.approx(point.risk_high, rel=1e-9)
        assert np.abs(problem.gradient(theta)).max() < 1e-12
        assert (np.linalg.eigvalsh(problem.hessian(theta)) < -1e-9).sum() == point.index


# ---------------------------------------------------------------------------------------------------
# Polynomials
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@examples(40)
@given(st.lists(st.integers(-9, 9), min_size=12, max_size=12), st.integers(0, 2**32 - 1))
def test_bernstein_coefficients_enclose(coefficients, seed):
    polynomial = RING.constant(0)
    for k, c in enumerate(coefficients):
        polynomial += c * T ** (k // 4) * U ** (k % 4)
    rng = np.random.default_rng(seed)
    with precision(128):
        whole = bernstein.patch(polynomial, fmpq(2, 3), (3, 4))
        part = bernstein.split(bernstein.split(whole, 0, arb(0.5))[1], 1, arb(0.25))[0]
        wide = bernstein.widened(part, arb(0.125))
        for x, y in rng.random((4, 2)):
            t, u = 2 / 3 * (0.5 + 0.5 * x), 0.25 * y
            exact = sum(c * t ** (k // 4) * u ** (k % 4) for k, c in enumerate(coefficients))
            assert float(bernstein.value(part, arb(x), arb(y)).mid()) == pytest.approx(exact, abs=1e-12)
            assert bernstein.enclosure(part).overlaps(arb(exact, 1e-12))
            inner = [arb((z + 0.125) / 1.25) for z in (x, y)]
            assert float(bernstein.value(wide, *inner).mid()) == pytest.approx(exact, abs=1e-11)
        assert not (
            bernstein.has_no_zero(part)
            and min(float(bernstein.value(part, arb(x), arb(y)).mid()) for x, y in rng.random((9, 2)))
            * max(float(bernstein.value(part, arb(x), arb(y)).mid()) for x, y in rng.random((9, 2)))
            <= 0
        )


def _zeros(first, second):
    with precision(128):
        found = branch_and_bound.zeros([first, second], fmpq(1))
        boxes = [branch_and_bound.refined([first, second], place) for place in found.isolated]
    return sorted({(round(float(t.mid()), 9), round(float(u.mid()), 9)) for t, u in boxes}), found


def test_zeros_of_known_systems_are_found_once_each():
    # A circle and a line: two zeros, one of them on the boundary.
    circle, line = T**2 + U**2 - fmpq(1, 4), U - T + fmpq(1, 2)
    assert _zeros(circle, line)[0] == [(0.5, 0.0)]
    close = (T - fmpq(3, 10)) * (T - fmpq(3, 10) - fmpq(1, 100000))
    assert _zeros(close, U - fmpq(1, 2))[0] == [(0.3, 0.5), (0.30001, 0.5)]
    none = _zeros(T**2 + U**2 + 1, U - T)
    assert none[0] == []
    assert none[1].undecided == []


def test_a_double_zero_stays_undecided(monkeypatch):
    monkeypatch.setattr(branch_and_bound, "_PARTS", 300)
    found = _zeros((T - fmpq(3, 10)) ** 2, U - fmpq(1, 2))[1]
    assert found.undecided
    assert all(t.contains(0.3) or abs(t - 0.3) < 0.1 for t, _ in found.undecided)


# ---------------------------------------------------------------------------------------------------
# Mutations: each must be noticed
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_wrong_sign_in_the_overlapping_equations_is_noticed(fresh, monkeypatch):
    turned = knot_equations.Piece.turned
    monkeypatch.setattr(knot_equations.Piece, "turned", lambda self, change: turned(self, -change))
    assert not _is_known(landscape(_problem(2)))


def test_a_midpoint_in_place_of_an_enclosure_is_noticed(monkeypatch):
    close = (T - fmpq(3, 10)) * (T - fmpq(3, 10) - fmpq(1, 100))
    assert len(_zeros(close, U - fmpq(1, 2))[0]) == 2
    monkeypatch.setattr(
        branch_and_bound, "enclosure", lambda patch: bernstein.value(patch, arb(0.5), arb(0.5))
    )
    assert len(_zeros(close, U - fmpq(1, 2))[0]) < 2


def test_a_sign_at_corners_alone_is_noticed(monkeypatch):
    half = fmpq(1, 2)
    circle, line = (T - half) ** 2 + (U - half) ** 2 - fmpq(1, 16), U - 2 * T + half
    assert len(_zeros(circle, line)[0]) == 2

    def corners(patch):
        ends = [patch[0, 0], patch[0, -1], patch[-1, 0], patch[-1, -1]]
        return all(c > 0 for c in ends) or all(c < 0 for c in ends)

    monkeypatch.setattr(branch_and_bound, "has_no_zero", corners)
    assert _zeros(circle, line)[0] == []


@pytest.mark.thorough
def test_without_the_division_boxes_stay_undecided(fresh, monkeypatch):
    monkeypatch.setattr(branch_and_bound, "_PARTS", 100)
    monkeypatch.setattr(knot_equations, "without", lambda polynomial, factors: polynomial)
    found = landscape(_problem(2))
    assert not found.complete
    assert found.undecided


def test_a_missing_chart_is_noticed(fresh, monkeypatch):
    monkeypatch.setattr(enumeration, "CHARTS", knot_equations.CHARTS[:2])
    assert not _is_known(landscape(_problem(2)))


# ---------------------------------------------------------------------------------------------------
# What is refused, and the command
# ---------------------------------------------------------------------------------------------------


def test_other_problems_are_refused_with_the_reason():
    cases = {
        "widths": _problem(3),
        "one polynomial": _problem(2, gfc.targets.Sine()),
        "absolute-value": _problem(1, gfc.targets.AbsoluteValue()),
        "density": _problem(1, measure=gfc.measures.TruncatedNormal(0.5, 1.0, 0.0, 1.0)),
        "piecewise-polynomial": _problem(
            1, measure=gfc.measures.PiecewisePolynomial([0.0, 0.5, 1.0], [[1.0], [1.0]])
        ),
        "frozen": gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), CUBIC, gfc.measures.Uniform(), frozen=["biases"]),
        "1, 2, 2, 1": gfc.Problem(gfc.ReLUNetwork((1, 2, 2, 1)), CUBIC, gfc.measures.Uniform()),
    }
    for word, problem in cases.items():
        with pytest.raises(gfc.InputError, match=word):
            landscape(problem)


STUDY = """name = "narrow"
description = "Two neurons."
seed = 1
seeds = 4
[times]
values = [1e2, 1e7]
[network]
widths = WIDTHS
[measure]
name = "uniform"
lower = 0.0
upper = 1.0
[initialization]
name = "he"
[targets.cubic]
name = "polynomial"
coefficients = [0.3, 4.0, -12.0, 8.0]
[targets.sine]
name = "sine"
[integrators.standard-gf]
rtol = 1e-8
"""


@pytest.mark.thorough
def test_the_command_lists_points_and_counts_trajectories(tmp_path):
    file = tmp_path / "narrow.toml"
    file.write_text(STUDY.replace("WIDTHS", "[1, 2, 1]"))
    done = in_process("landscape", str(file), "--output", str(tmp_path / "tables"))
    assert done.returncode == 0
    assert "13 critical points, proved to be all" in done.stdout
    assert "sine: left out: critical points are enumerated" in done.stdout
    assert "not enumerated: Neurons with outgoing weight 0" in done.stdout
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"landscape.csv", "landscape.tex"}


def test_trajectories_are_counted_in_the_table_and_in_the_figure():
    problem = _problem(2)
    start = np.stack(
        [gfc.initializations.He().draw(problem.network, np.random.default_rng(s)) for s in range(6)]
    )
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-8), start, [0.0, 1e2, 1e7])
    tree = gfc.certificates.certified(data)
    (name,) = tree.children
    found, reasons = gfc.certificates.landscapes(tree)
    assert list(found) == [name]
    assert not reasons
    frame = gfc.certificates.of_tree(tree)
    visits = gfc.certificates.visits(found[name], frame)
    assert visits["proven"].sum() == (frame["verdict"] == "limit-proven").sum() > 0
    table = gfc.certificates.landscape_table(found, frame)
    assert sum(int(str(text).split(" ")[0]) for text in table.iloc[:, -1]) == visits["proven"].sum()
    figure = gfc.figures.landscape(tree)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sum(map(int, texts)) == 13 + visits["proven"].sum() + visits["near"].sum()
    assert len(figure.axes) == 1


@pytest.mark.parametrize("widths", ["[1, 3, 1]", "[2, 2, 1]", "[1, 2, 2, 1]", "[1, 2, 2]"])
def test_the_command_refuses_other_networks(tmp_path, widths):
    file = tmp_path / "wide.toml"
    file.write_text(STUDY.replace("WIDTHS", widths))
    done = in_process("landscape", str(file))
    assert done.returncode == 2
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
