"""Layout, realisation, the submanifold, invariants and breakpoints of networks of any depth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import QUICK, loop_layers, loop_network, vector_network

import gfcompare as gfc

WIDTHS = st.lists(st.integers(1, 5), min_size=3, max_size=6)
#: Ordinary numbers, and those at which norms under- or overflow when computed naively.
NUMBERS = st.one_of(
    st.floats(-10, 10),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1e-310, 3e-160, -1e-200, 1e-8]),
)


@st.composite
def networks(draw, numbers=NUMBERS, widths=WIDTHS, inputs=None):
    chosen = draw(widths)
    if inputs is not None:
        chosen = [inputs, *chosen[1:]]
    network = gfc.ReLUNetwork(chosen)
    count = network.parameter_count
    return network, np.array(draw(st.lists(numbers, min_size=count, max_size=count)))


def hidden_rows(network, theta):
    """Return every hidden row (W_i, b_i) with plain loops."""
    layers = loop_layers(network.widths, theta)[:-1]
    return [np.array([*row, b]) for rows, biases in layers for row, b in zip(rows, biases, strict=True)]


# ---------------------------------------------------------------------------------------------------
# Layout
# ---------------------------------------------------------------------------------------------------


def test_layout_of_one_hidden_layer_is_w_b_v_c():
    network = gfc.ReLUNetwork([1, 3, 2])
    assert network.parameter_count == 3 + 3 + 6 + 2
    assert (network.inputs, network.hidden, network.outputs, network.depth) == (1, (3,), 2, 2)
    theta = np.arange(14.0)
    first, second = network.layers(theta)
    assert np.array_equal(first.weight, [[0], [1], [2]])
    assert np.array_equal(first.bias, [3, 4, 5])
    assert np.array_equal(second.weight, [[6, 7, 8], [9, 10, 11]])
    assert np.array_equal(second.bias, [12, 13])


@QUICK
@given(networks())
def test_layers_and_join_are_inverse(drawn):
    network, theta = drawn
    layers = network.layers(theta)
    for layer, (rows, biases) in zip(layers, loop_layers(network.widths, theta), strict=True):
        assert np.array_equal(layer.weight, rows)
        assert np.array_equal(layer.bias, biases)
    assert np.array_equal(network.join([(layer.weight, layer.bias) for layer in layers]), theta)
    many = np.stack([theta, 2 * theta, -theta]).reshape(3, 1, -1)
    again = network.join([(layer.weight, layer.bias) for layer in network.layers(many)])
    assert np.array_equal(again, many)


def test_layers_are_views_and_join_broadcasts():
    network = gfc.ReLUNetwork([2, 3, 1])
    theta = np.zeros(network.parameter_count)
    network.layers(theta)[0].weight[1, 0] = 5.0
    assert theta[2] == 5.0
    joined = network.join([(np.ones((4, 3, 2)), np.zeros(3)), (np.ones((1, 3)), np.zeros((4, 1)))])
    assert joined.shape == (4, network.parameter_count)
    with pytest.raises(gfc.InputError, match="have 2 layers, got 1"):
        network.join([(np.ones((3, 2)), np.zeros(3))])
    with pytest.raises(gfc.InputError, match=r"a layer from 2 to 3 needs weight \(\.\.\., 3, 2\)"):
        network.join([(np.ones((2, 3)), np.zeros(3)), (np.ones((1, 3)), np.zeros(1))])


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([1, 1], "at least three positive integers"),
        ([1, 0, 1], "at least three positive integers"),
        ([1, -2, 1], "at least three positive integers"),
        ([], "at least three positive integers"),
        ([1, 2.5, 1], "widths must be integers"),
        ([1, True, 1], "widths must be integers"),
        ([1, "2", 1], "widths must be integers"),
        ("1-2-1", r"such as \[1, 16, 1\]"),
        (3, r"such as \[1, 16, 1\]"),
    ],
)
def test_wrong_widths(widths, message):
    with pytest.raises(gfc.InputError, match=message):
        gfc.ReLUNetwork(widths)


def test_networks_are_values():
    assert gfc.ReLUNetwork([1, 2, 1]) == gfc.ReLUNetwork((1, np.int64(2), 1))
    assert len({gfc.ReLUNetwork([1, 2, 1]), gfc.ReLUNetwork((1, 2, 1)), gfc.ReLUNetwork([1, 3, 1])}) == 2


# ---------------------------------------------------------------------------------------------------
# Realisation
# ---------------------------------------------------------------------------------------------------


@QUICK
@given(networks(st.floats(-3, 3)), st.integers(0, 10**6))
def test_realize_equals_a_plain_loop(drawn, seed):
    network, theta = drawn
    points = np.random.default_rng(seed).normal(size=(5, network.inputs))
    found = network.realize(theta, points)
    assert found.shape == (5, network.outputs)
    for x, y in zip(points, found, strict=True):
        expected = loop_network(network.widths, theta, x)
        assert np.abs(y - expected).max() <= 1e-12 * 60 ** (network.depth - 1)
    many = network.realize(np.stack([theta, -theta])[:, None], points)
    assert many.shape == (2, 1, 5, network.outputs)
    assert np.allclose(many[0, 0], found, rtol=1e-13, atol=1e-13)


def test_realize_on_the_line_takes_a_list_of_numbers():
    network = gfc.ReLUNetwork([1, 2, 1])
    theta = [1.0, -1.0, 0.0, 0.5, 2.0, 3.0, 0.25]
    found = network.realize(theta, [0.0, 0.25, 1.0])
    assert np.array_equal(found, [[1.75], [1.5], [2.25]])
    with pytest.raises(gfc.InputError, match=r"x must have shape \(n, 2\)"):
        gfc.ReLUNetwork([2, 2, 1]).realize(np.zeros(9), np.zeros(3))


# ---------------------------------------------------------------------------------------------------
# The submanifold
# ---------------------------------------------------------------------------------------------------


@QUICK
@given(networks(), st.integers(0, 10**6))
def test_normalize_keeps_the_function_and_makes_unit_rows(drawn, seed):
    network, theta = drawn
    normal = network.normalize(theta)
    for row in hidden_rows(network, normal):
        assert abs(np.linalg.norm(row) - 1) <= 1e-14
    points = np.random.default_rng(seed).normal(size=(8, network.inputs))
    before, after = network.realize(theta, points), network.realize(normal, points)
    # Bound of every intermediate value: all weights replaced by their absolute values.
    size = np.abs(network.realize(np.abs(theta), np.abs(points))).max() + 1e-300
    assert np.abs(before - after).max() <= 1e-13 * size
    # Idempotent: the norms, computed again, are 1 to some rounding errors in each layer.
    assert np.abs(network.normalize(normal) - normal).max() <= 1e-15 * network.depth * np.abs(normal).max()
    assert np.all(network.distance_to_manifold(normal) <= 1e-14)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-20, 1.0, 1e20, 1e160, 1e300])
def test_normalize_at_any_scale(scale):
    """Rows so small or large that their squares vanish or overflow."""
    network = gfc.ReLUNetwork([2, 3, 2])
    plain = np.random.default_rng(0).normal(size=network.parameter_count)
    theta = plain.copy()
    theta[:9] *= scale
    theta[9:15] /= scale
    normal = network.normalize(theta)
    assert np.allclose(normal, network.normalize(plain), rtol=1e-14, atol=0)
    norms = np.array([np.linalg.norm(row) for row in hidden_rows(network, plain)])
    assert np.allclose(network.row_norms(theta)[0], scale * norms, rtol=1e-14)


def test_normalize_zero_rows():
    """A zero row becomes the unit vector of its bias, with a zero outgoing column."""
    network = gfc.ReLUNetwork([1, 2, 2, 1])
    theta = np.array([0.0, 3.0, 0.0, 4.0, 1.0, 2.0, 0.0, 0.0, -1.0, 0.0, 7.0, 8.0, 9.0])
    normal = network.normalize(theta)
    expected = [0.0, 0.6, 1.0, 0.8]
    assert np.allclose(normal[:4], expected, atol=1e-16)
    second = network.layers(normal)[1]
    assert np.array_equal(second.weight[:, 0], [0.0, 0.0])
    assert np.allclose(second.weight[0], [0.0, 10 / np.sqrt(101)])
    assert np.array_equal(second.weight[1], [0.0, 0.0])
    assert np.array_equal(second.bias, [-1 / np.sqrt(101), 1.0])
    assert np.allclose(normal[-3:], [7 * np.sqrt(101), 0.0, 9.0])
    x = np.linspace(-2, 2, 33)
    assert np.allclose(network.realize(normal, x), network.realize(theta, x), atol=1e-13)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (0,)])
def test_every_map_takes_any_leading_shape(leading):
    network = gfc.ReLUNetwork([2, 3, 4, 2])
    theta = np.random.default_rng(0).normal(size=(*leading, network.parameter_count))
    kept = theta.copy()
    retracted, rho = network.polar(theta)
    assert rho.shape == (*leading, 7)
    assert [n.shape for n in network.row_norms(theta)] == [(*leading, 3), (*leading, 4)]
    assert [n.shape for n in network.balancedness(theta)] == [(*leading, 3), (*leading, 4)]
    assert network.distance_to_manifold(theta).shape == leading
    projected = network.project(retracted, theta)
    for index in np.ndindex(*leading):
        one = theta[index]
        assert np.array_equal(network.normalize(theta)[index], network.normalize(one))
        assert np.array_equal(retracted[index], network.retract(one))
        assert np.array_equal(projected[index], network.project(network.retract(one), one))
    assert network.normalize(theta).shape == theta.shape
    assert np.array_equal(theta, kept)  # nothing is changed in place


@QUICK
@given(networks(st.floats(-3, 3)))
def test_polar_and_distance(drawn):
    network, theta = drawn
    rows = hidden_rows(network, theta)
    norms = np.array([np.linalg.norm(row) for row in rows])
    assume(norms.min() > 1e-3)
    unit, rho = network.polar(theta)
    assert np.allclose(rho, norms, rtol=1e-14)
    for row, new, norm in zip(rows, hidden_rows(network, unit), norms, strict=True):
        assert np.allclose(new, row / norm, rtol=0, atol=1e-15)
    last = network.layers(theta)[-1]
    assert np.array_equal(network.layers(unit)[-1].weight, last.weight)
    # The retraction is the nearest point of M, and this is how far away it is.
    assert network.distance_to_manifold(theta) == pytest.approx(np.linalg.norm(theta - unit), abs=1e-13)


@QUICK
@given(networks(st.floats(-3, 3)), st.integers(0, 10**6))
def test_project(drawn, seed):
    """P g is tangent to M, P P = P, P is symmetric; the output layer is left alone."""
    network, theta = drawn
    rng = np.random.default_rng(seed)
    theta = network.retract(theta)
    g, h = rng.normal(size=(2, theta.size))
    projected = network.project(theta, g)
    for row, tangent, full in zip(
        hidden_rows(network, theta), hidden_rows(network, projected), hidden_rows(network, g), strict=True
    ):
        assert abs(row @ tangent) < 1e-14
        assert np.allclose(tangent, full - (row @ full) * row, rtol=0, atol=1e-14)
    assert np.array_equal(network.layers(projected)[-1].weight, network.layers(g)[-1].weight)
    assert np.array_equal(network.layers(projected)[-1].bias, network.layers(g)[-1].bias)
    assert np.allclose(network.project(theta, projected), projected, rtol=0, atol=1e-14)
    assert h @ projected == pytest.approx(g @ network.project(theta, h), abs=1e-12)
    factors = rng.uniform(1, 2, size=sum(network.hidden))
    for scaled, plain, factor in zip(
        hidden_rows(network, network.project(theta, g, factors)),
        hidden_rows(network, projected),
        factors,
        strict=True,
    ):
        assert np.allclose(scaled, factor * plain, rtol=1e-14, atol=1e-15)


@QUICK
@given(networks(st.floats(-3, 3)), st.floats(0.1, 10))
def test_balancedness(drawn, factor):
    network, theta = drawn
    layers = loop_layers(network.widths, theta)
    for k, found in enumerate(network.balancedness(theta)):
        rows, biases = layers[k]
        for i in range(network.hidden[k]):
            expected = sum(w * w for w in rows[i]) + biases[i] ** 2
            expected -= sum(row[i] ** 2 for row in layers[k + 1][0])
            assert found[i] == pytest.approx(expected, abs=1e-12)


# ---------------------------------------------------------------------------------------------------
# Breakpoints
# ---------------------------------------------------------------------------------------------------


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5))
def test_between_breakpoints_the_network_is_affine(seed, depth, outputs):
    rng = np.random.default_rng(seed)
    network = gfc.ReLUNetwork([1, *rng.integers(1, 6, size=depth).tolist(), outputs])
    theta = rng.normal(size=network.parameter_count)
    found = network.breakpoints(theta, -2.0, 3.0)
    positions = sorted({p.position for p in found})
    assert all(-2 < p < 3 for p in positions)
    edges = [-2.0, *positions, 3.0]
    for a, b in itertools.pairwise(edges):
        share = np.linspace(0, 1, 9)
        y = vector_network(network.widths, theta, a + share * (b - a))
        chord = y[0] + share[:, None] * (y[-1] - y[0])
        assert np.abs(y - chord).max() < 1e-12 * (1 + np.abs(y).max())
    # And each is a zero of the pre-activation it names.
    for point in found:
        layers = loop_layers(network.widths, theta)[: point.layer]
        values = [point.position]
        for rows, biases in layers:
            z = [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(rows, biases)]  # noqa: B905
            values = [max(v, 0.0) for v in z]
        assert abs(z[point.neuron]) < 1e-11


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_no_breakpoint_is_missed(seed, depth):
    """Every sign change of a pre-activation on a dense grid has a breakpoint between its ends."""
    rng = np.random.default_rng(seed)
    network = gfc.ReLUNetwork([1, *[4] * depth, 1])
    theta = rng.normal(size=network.parameter_count)
    grid = np.linspace(-1, 2, 2001)
    values = grid[:, None]
    found = network.breakpoints(theta, -1.0, 2.0)
    for number, (rows, biases) in enumerate(loop_layers(network.widths, theta)[:-1], start=1):
        z = values @ np.array(rows).T + np.array(biases)
        for j, i in np.argwhere(z[:-1] * z[1:] < 0):
            assert any(
                p.layer == number and p.neuron == i and grid[j] <= p.position <= grid[j + 1] for p in found
            )
        values = np.maximum(z, 0)


def test_breakpoints_by_hand():
    network = gfc.ReLUNetwork([1, 4, 1])
    theta = np.array([2.0, -1.0, 0.0, 1.0, -1.0, 0.25, 0.0, -5.0, *np.ones(5)])
    found = network.breakpoints(theta, 0.0, 1.0)
    assert [(p.layer, p.neuron, p.position) for p in found] == [(1, 0, 0.5), (1, 1, 0.25)]
    with pytest.raises(gfc.InputError, match="need one input"):
        gfc.ReLUNetwork([2, 1, 1]).breakpoints(np.zeros(5), 0.0, 1.0)
    with pytest.raises(gfc.InputError, match=r"need theta of shape \(P,\)"):
        network.breakpoints(np.zeros((2, 13)), 0.0, 1.0)
