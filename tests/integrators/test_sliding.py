"""Filippov's flow where pre-activations vanish together: coincident points, meeting kinks, rows that end."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from support import examples

import gfcompare as gfc
from gfcompare.integrators.solvers.sliding import Sliding, chosen, coincident

PROPERTY = examples(40)
FLOWS = ("standard-gf", "normalized-gf")


def on_points(widths, x, y, mass=None):
    measure = gfc.measures.Points(x, mass=mass, observed=y)
    return gfc.Problem(gfc.ReLUNetwork(widths), gfc.targets.Labels(), measure)


def flow(problem, name, theta, time, rtol=1e-8):
    return gfc.integrate(problem, gfc.integrator(name, rtol=rtol), np.atleast_2d(theta), [time])


def euler(widths, x, y, theta, time, size, normalized):
    """Return the risks, shape (B,), of B networks [d, H, K], each on its own points, by explicit Euler steps.

    Parameters
    ----------
    x, y : shapes (B, N, d) and (B, N, K)
    theta : shape (B, P)
    """
    d, hidden, _ = widths
    count = len(theta)
    cuts = np.cumsum([hidden * d, hidden, hidden * widths[2]])
    w, b, v, c = (part.copy() for part in np.split(theta, cuts, axis=1))
    w, v = w.reshape(count, hidden, d), v.reshape(count, -1, hidden)
    rows = np.concatenate([w, b[:, :, None]], axis=2)
    points = np.concatenate([x, np.ones((*x.shape[:2], 1))], axis=2)

    def residuals():
        z = points @ rows.transpose(0, 2, 1)
        return z, np.maximum(z, 0.0) @ v.transpose(0, 2, 1) + c[:, None] - y

    for _ in range(round(time / size)):
        z, r = residuals()
        g = 2.0 * r / x.shape[1]
        change = ((g @ v) * (z > 0.0)).transpose(0, 2, 1) @ points
        v, c = v - size * g.transpose(0, 2, 1) @ np.maximum(z, 0.0), c - size * g.sum(axis=1)
        if normalized:
            change -= np.sum(change * rows, axis=2, keepdims=True) * rows
        rows = rows - size * change
        if normalized:
            rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    return np.sum(residuals()[1] ** 2, axis=(1, 2)) / x.shape[1]


@pytest.mark.sampled
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_coincident_points_slide_together(order):
    """Risk at t = 20 of Euler's method with steps of 1e-4 and 1e-5: 0.03125. It was 0.102 for some orders."""
    order = list(order)
    x, y = np.array([0.0, 1.0, 0.5, 1.0]), np.array([1.8, -0.1, 0.1, -0.6])
    problem = on_points((1, 1, 1), x[order], y[order])
    for method, rtol in itertools.product(("explicit", "dop853"), (1e-6, 1e-10)):
        integrator = gfc.integrator("standard-gf", rtol=rtol, method=method)
        data = gfc.integrate(problem, integrator, np.array([[-0.38, 1.36, -0.55, 0.0]]), [20.0])
        assert data["risk"].values[0, -1] == pytest.approx(0.03125, abs=1e-5)
        assert "slid along a kink" in str(data["message"].values[0])


SETTINGS = [
    # widths, points, how many values a coordinate can have
    ((1, 1, 1), 4, 3),
    ((1, 2, 2), 6, 3),
    ((2, 1, 1), 8, 2),
    ((2, 2, 2), 12, 3),
    ((3, 2, 1), 10, 2),
]


@pytest.mark.thorough
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize(("widths", "points", "values"), SETTINGS, ids=str)
def test_it_is_the_limit_of_small_steps(widths, points, values, name):
    """On grids, where points coincide, and where kinks pass through several points at once."""
    rng = np.random.default_rng(5)
    count, time = 40, 4.0
    network = gfc.ReLUNetwork(widths)
    x = rng.integers(0, values, (count, points, widths[0])) / (values - 1)
    y = rng.normal(size=(count, points, widths[2]))
    theta = rng.normal(size=(count, network.parameter_count))
    if name == "normalized-gf":
        theta = network.normalize(theta)
    coarse, fine = (euler(widths, x, y, theta, time, size, name == "normalized-gf") for size in (4e-3, 1e-3))
    slid = 0
    for m in range(count):
        data = flow(on_points(widths, x[m], y[m]), name, theta[m], time)
        assert data["status"].values[0] == gfc.Status.REACHED_END
        error = abs(data["risk"].values[0, -1] - fine[m])
        assert error < 1e-3 * fine[m] + 2.0 * abs(coarse[m] - fine[m])
        slid += "slid along" in str(data["message"].values[0])
    assert slid >= 3


@pytest.mark.thorough
@pytest.mark.parametrize("name", FLOWS)
@PROPERTY
@given(
    st.sampled_from([(1, 1, 1), (1, 3, 1), (1, 2, 2), (2, 3, 1)]),
    st.integers(2, 4),
    st.integers(0, 2**32 - 1),
)
def test_coincident_points_are_one_point(name, widths, count, seed):
    """Their risk is that of one point with their mass and their mean, and a constant: so is the flow."""
    rng = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(count), rng.integers(0, count, 4)])
    rng.shuffle(owner)
    places = rng.normal(size=(count, widths[0]))
    y = rng.normal(size=(len(owner), widths[-1]))
    sizes = np.bincount(owner)
    means = np.stack([np.bincount(owner, column) / sizes for column in y.T], axis=1)
    constant = np.sum((y - means[owner]) ** 2) / len(owner)
    theta = rng.normal(size=gfc.ReLUNetwork(widths).parameter_count)
    every = flow(on_points(widths, places[owner], y), name, theta, 5.0)
    merged = flow(on_points(widths, places, means, mass=sizes), name, theta, 5.0)
    if "shrank" in str(every["message"].values[0]) + str(merged["message"].values[0]):
        return
    assert every["risk"].values[0, -1] == pytest.approx(merged["risk"].values[0, -1] + constant, abs=1e-6)


@pytest.mark.thorough
def test_kinks_through_a_column_of_a_grid():
    """A target of x_1 alone, rows along x_1: the kink is a line through three points; they slide together."""
    x = np.array([[i / 2, j / 2] for i in range(3) for j in range(3)])
    rng = np.random.default_rng(2)
    count = 30
    y = np.repeat(rng.normal(size=(count, 3, 1)), 3, axis=1)
    theta = rng.normal(size=(count, 5))
    theta[:, 1] = 0.0
    risks = [euler((2, 1, 1), np.tile(x, (count, 1, 1)), y, theta, 4.0, h, False) for h in (4e-3, 1e-3)]
    slid = 0
    for m in range(count):
        data = flow(on_points((2, 1, 1), x, y[m]), "standard-gf", theta[m], 4.0)
        assert data["status"].values[0] == gfc.Status.REACHED_END
        error = abs(data["risk"].values[0, -1] - risks[1][m])
        assert error < 1e-3 * risks[1][m] + 2.0 * abs(risks[0][m] - risks[1][m])
        slid += "slid along" in str(data["message"].values[0])
    assert slid >= 3


def test_a_row_that_shrinks_to_0_is_told():
    """b' = 1 until the kink is at 0, then it slides with w' = -1 until w = 0, and c goes to the mean."""
    x, y = np.array([0.0, 1.0, 2.0]), np.array([-5.0, 4.5, -3.0])
    problem = on_points((1, 1, 1), x, y)
    start = np.array([0.05, -1e-3, 1.0, 0.0])
    data = flow(problem, "standard-gf", start, 2.0, rtol=1e-10)
    assert data["status"].values[0] == gfc.Status.REACHED_END
    message = str(data["message"].values[0])
    assert "slid along a kink" in message
    assert "the row of a neuron shrank to 0" in message
    assert "not unique, and the one that stays at 0" in message
    assert data["weight_1"].values[0, -1].item() == 0.0
    assert data["bias_1"].values[0, -1].item() == 0.0
    # What is conserved: w^2 + b^2 - v^2.
    assert data["weight_2"].values[0, -1].item() ** 2 == pytest.approx(1.0 - 0.05**2 - 1e-6, abs=1e-8)
    size = 1e-4
    expected = euler((1, 1, 1), x[None, :, None], y[None, :, None], start[None], 2.0, size, False)
    assert data["risk"].values[0, -1] == pytest.approx(expected[0], rel=1e-3)
    # From a row of zeros nothing begins again.
    again = flow(problem, "standard-gf", np.array([0.0, 0.0, 1.0, 0.0]), 2.0)
    assert again["weight_1"].values[0, -1].item() == 0.0


def test_a_row_whose_points_have_one_pre_activation():
    """w = 0 stays 0 by symmetry while b falls to 0: at all points at once, and there the row has vanished."""
    problem = on_points((1, 1, 1), np.array([-1.0, 1.0]), np.array([-3.0, -3.0]))
    start = np.array([0.0, 0.5, 1.0, 0.0])
    data = flow(problem, "standard-gf", start, 1.5, rtol=1e-10)
    assert data["status"].values[0] == gfc.Status.REACHED_END
    assert "shrank to 0" in str(data["message"].values[0])
    assert data["weight_1"].values[0, -1].item() == data["bias_1"].values[0, -1].item() == 0.0
    x, y = np.array([[[-1.0], [1.0]]]), np.full((1, 2, 1), -3.0)
    expected = euler((1, 1, 1), x, y, start[None], 1.5, 1e-4, False)
    assert data["risk"].values[0, -1] == pytest.approx(expected[0], rel=1e-3)


def vectors_of(rng, count, dimension, dependent):
    """Return (x, 1) for some points, on a line if they are to be dependent."""
    x = rng.normal(size=(count, dimension))
    if dependent:
        x = rng.normal(size=dimension) + rng.normal(size=(count, 1)) * rng.normal(size=dimension)
    return np.column_stack([x, np.ones(count)])


def by_enumeration(inactive, vectors, kappas):
    """Return the velocity of the consistent choice of sides among all 3^m, found by linear programs."""
    jumps = kappas[:, None] * vectors
    count = len(kappas)
    for sides in itertools.product((0.0, 1.0, None), repeat=count):
        free = [n for n in range(count) if sides[n] is None]
        held = inactive + sum((jumps[n] for n in range(count) if sides[n] == 1.0), np.zeros(len(inactive)))
        velocity = held
        if free:
            found = linprog(
                np.zeros(len(free)),
                A_eq=vectors[free] @ jumps[free].T,
                b_eq=-vectors[free] @ held,
                bounds=(0.0, 1.0),
            )
            if not found.success:
                continue
            velocity = held + found.x @ jumps[free]
        rates = vectors @ velocity
        if all(
            (side is None) or (rates[n] >= -1e-9 if side == 1.0 else rates[n] <= 1e-9)
            for n, side in enumerate(sides)
        ):
            return velocity
    return None


@PROPERTY
@given(st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_choice_is_the_only_consistent_one(count, dimension, dependent, seed):
    rng = np.random.default_rng(seed)
    vectors = vectors_of(rng, count, dimension, dependent)
    kappas, inactive = -rng.exponential(size=count), 2.0 * rng.normal(size=dimension + 1)
    sides = chosen(inactive, vectors, kappas, np.zeros(count))
    expected = by_enumeration(inactive, vectors, kappas)
    assert sides is not None
    assert expected is not None
    velocity = inactive + (sides == 1.0) @ (kappas[:, None] * vectors)
    slides = np.flatnonzero(sides == 0.5).tolist()
    if slides:
        sliding = Sliding(np.arange(dimension + 1), slides, vectors[slides])
        shares = sliding.shares(velocity, kappas[slides])
        assert np.all((shares >= -1e-9) & (shares <= 1.0 + 1e-9))
        moved = velocity + shares @ (kappas[slides, None] * vectors[slides])
        assert np.allclose(moved, sliding.tangential(velocity), atol=1e-9)
        velocity = moved
    assert np.allclose(velocity, expected, atol=1e-8)


def test_kinks_that_lead_away_on_both_sides():
    """The side that was come to is taken where it is consistent, else one that is; there may be none."""
    vector = np.array([[1.0, 1.0]])
    away = np.array([0.0, -0.5])
    for side in (0.0, 1.0):
        assert chosen(away, vector, np.array([1.0]), np.array([side])) == side
    assert chosen(np.array([0.0, 0.5]), vector, np.array([1.0]), np.array([0.0])) == 1.0
    assert chosen(np.array([0.0, -3.0]), vector, np.array([1.0]), np.array([1.0])) == 0.0


@PROPERTY
@given(st.integers(1, 30), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_coincident_points_are_found(count, dimension, seed):
    rng = np.random.default_rng(seed)
    places = rng.permutation(64)[: rng.integers(1, count + 1)]
    owner = np.concatenate([np.arange(len(places)), rng.integers(0, len(places), count)])
    rng.shuffle(owner)
    points = np.repeat(places[:, None] / 7.0, dimension, axis=1)[owner]
    noisy = points + rng.uniform(-1e-15, 1e-15, points.shape)
    for given_points in (points, noisy):
        first, group = coincident(given_points, 1e-13)
        assert np.all(np.diff(first) > 0)
        assert np.array_equal(owner[first][group], owner)
        assert len(first) == len(places)


def test_a_change_at_coincident_points_is_counted_for_each():
    """The activation of the neuron changes at every point, whatever the number of kinks."""
    x = np.array([0.0, 1.0, 1.0, 1.0])
    y = np.array([-1.0, -2.0, -2.0, -2.0])
    theta = np.array([1.0, -0.5, 1.0, 0.0])
    found = []
    for mass, kept in ((None, [0, 1, 2, 3]), ([1.0, 3.0], [0, 1])):
        problem = on_points((1, 1, 1), x[kept], y[kept], mass=mass)
        data = flow(problem, "standard-gf", theta, 20.0)
        found.append(int(data["activation_changes"].values[0, -1]))
    assert found[1] >= 1
    assert found[0] == 3 * found[1]


def test_it_says_where_nothing_leads_on(monkeypatch):
    """A refusal by neuron and points, never a velocity that no choice of sides has."""
    monkeypatch.setattr("gfcompare.integrators.solvers.filippov.chosen", lambda *_: None)
    problem = on_points((1, 1, 1), np.array([0.0, 1.0, 0.5, 1.0]), np.array([1.8, -0.1, 0.1, -0.6]))
    data = flow(problem, "standard-gf", np.array([-0.38, 1.36, -0.55, 0.0]), 20.0)
    assert data["status"].values[0] == gfc.Status.KINK
    assert "neuron 1 of layer 1: no flow leads on from its kinks at point" in str(data["message"].values[0])
