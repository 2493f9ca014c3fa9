"""Normal forms of states for affine targets: each kind built by hand, and checked independently.

What is checked apart from the words: the exact gradient vanishes, the risk has the value of the theorem, and
a minimiser confined to a small box around the point finds lower risk exactly where the point is a saddle.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, random_theta, split
from scipy.optimize import least_squares, minimize

import gfcompare as gfc
from gfcompare.critical_points import Activity, Kind, NormalForm, normal_form

INTERVALS = ((0.0, 1.0), (-1.0, 2.0), (-0.37, 0.11), (100.0, 101.0))
SLOPES = (1.5, -2.0)
INTERCEPT = 0.7


@dataclass(frozen=True)
class Case:
    """Builds networks for the target slope x + INTERCEPT on an interval from neurons (w, b, v)."""

    slope: float
    lower: float
    upper: float

    @property
    def length(self):
        return self.upper - self.lower

    @property
    def centre(self):
        return self.slope * (self.lower + self.upper) / 2 + INTERCEPT

    def risk(self, n=0):
        """Return the risk of the theorem at n breakpoints."""
        return self.slope**2 * self.length**2 / (12 * (n + 1) ** 4)

    def problem(self, hidden):
        target, measure = gfc.targets.Affine(self.slope, INTERCEPT), gfc.measures.Uniform
        return gfc.Problem(gfc.ReLUNetwork([1, hidden, 1]), target, measure(self.lower, self.upper))

    def build(self, neurons, c=None):
        """Return a problem and theta; c = f(midpoint) unless given."""
        w, b, v = np.array(neurons, dtype=float).T
        return self.problem(len(w)), np.concatenate([w, b, v, [self.centre if c is None else c]])

    def neuron(self, word):
        """Return a neuron that adds nothing to the network, by name; `up` and `down` say the sign of v."""
        name, _, sign = word.partition(" ")
        v = {"up": 1.0, "down": -1.0, "flat": 0.0}[sign or "flat"]
        return {
            "dead": (-1.3, 1.3 * self.lower - 0.3 * self.length, v),
            "beyond": (2.1, -2.1 * self.upper - 0.4 * self.length, v),
            "negative": (0.0, -0.4, v),
            "lower": (-1.3, 1.3 * self.lower, 0.8 * v),
            "upper": (0.9, -0.9 * self.upper, 1.2 * v),
            "constant": (0.0, 0.6, v),
            "zero": (0.0, 0.0, v),
        }[name]

    def zigzag(self, n, rng, copies=1):
        """Return the neurons of the zigzag with n breakpoints, several at each."""
        neurons = []
        for i in range(1, n + 1):
            q = self.lower + i * self.length / (n + 1)
            sign = 1 if i % 2 else -1
            shares = rng.normal(size=copies)
            shares += (1 - shares.sum()) / copies
            for share in shares:
                w = sign * rng.uniform(0.6, 1.6)
                neurons.append((w, -w * q, share * 2 * self.slope / (n + 1) / w))
        return neurons


CASES = [Case(slope, *interval) for slope, interval in itertools.product(SLOPES, INTERVALS)]
cases = pytest.mark.parametrize("case", CASES, ids=str)


def directions(problem, count, seed):
    """Draw directions in parameter space, in which w x + b is moved alike wherever the interval lies."""
    hidden = problem.network.hidden[0]
    drawn = np.random.default_rng(seed).normal(size=(count, 3 * hidden + 1))
    return drawn @ centring(problem).T


def centring(problem):
    """Return the matrix from (w, b + w midpoint, v, c) to (w, b, v, c)."""
    hidden = problem.network.hidden[0]
    matrix = np.eye(3 * hidden + 1)
    matrix[hidden : 2 * hidden, :hidden] -= np.eye(hidden) * np.mean(problem.measure.interval)
    return matrix


def gain(problem, theta, radius, starts=12):
    """Return by how much the risk is lowered in the box of a radius around theta, relative to the risk."""
    rng, shift = np.random.default_rng(0), centring(problem)
    here = float(problem.risk(theta))

    def objective(x):
        at = theta + shift @ (radius * x)
        scale = here * radius**2
        return (problem.risk(at) - here) / scale, radius * shift.T @ problem.gradient(at) / scale

    best = 0.0
    for _ in range(starts):
        start = rng.uniform(-1, 1, size=len(theta))
        start[-1] = 0.0
        found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(-1, 1)] * len(theta))
        best = min(best, float(found.fun))
    return -best * radius**2


def check_critical(case, problem, theta, form, n=0):
    """Check what holds at each critical point that is no global minimum, apart from its kind."""
    scale = (
        2 * np.sqrt(case.risk()) * (1 + np.abs(theta).max() * (1 + max(map(abs, problem.measure.interval))))
    )
    assert np.abs(problem.gradient(theta)).max() < 1e-13 * scale
    assert problem.risk(theta) == pytest.approx(case.risk(n), rel=1e-11)
    assert form.critical
    assert form.breakpoints_inside == n
    assert form.deviation < 1e-12
    assert form.relative_residual < 1e-12


# ---------------------------------------------------------------------------------------------------
# The kinds
# ---------------------------------------------------------------------------------------------------


def good(case):
    """Neurons of a local minimum."""
    up, down = ("up", "down") if case.slope > 0 else ("down", "up")
    return [f"lower {up}", f"upper {down}", "dead up", "dead down", "dead flat", "beyond up", "negative down"]


def bad(case):
    """Neurons that make it a saddle."""
    up, down = ("up", "down") if case.slope > 0 else ("down", "up")
    return [f"lower {down}", f"upper {up}", "lower flat", "upper flat", "constant flat", "zero flat"]


LOCAL_MINIMA = ([2], [2, 3, 4], [0], [1], [0, 1], [0, 1, 1, 4, 5], [0, 2, 6])


@cases
@pytest.mark.parametrize("chosen", LOCAL_MINIMA, ids=str)
def test_local_minimum(case, chosen):
    problem, theta = case.build([case.neuron(good(case)[k]) for k in chosen])
    form = normal_form(problem, theta)
    assert form.kind is Kind.LOCAL_MINIMUM
    check_critical(case, problem, theta, form)
    assert form.dead == sum(k >= 2 for k in chosen)
    assert form.neurons.count(Activity.SEMI_INACTIVE) == sum(k < 2 for k in chosen)
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(3000, len(theta)))
    directions[::2, -1] = 0.0
    for size in (1e-3, 1e-4, 1e-5):
        assert (
            problem.risk(theta + size * directions / 5) - problem.risk(theta)
        ).min() >= -4e-15 * case.risk()
    assert gain(problem, theta, 1e-3) < 1e-14


@pytest.mark.sampled
@cases
@pytest.mark.parametrize("chosen", range(6))
@pytest.mark.parametrize("others", [[], [0, 1, 2]], ids=str)
def test_saddle_where_the_network_is_constant(case, chosen, others):
    neurons = [bad(case)[chosen], *(good(case)[k] for k in others)]
    problem, theta = case.build([case.neuron(word) for word in neurons])
    form = normal_form(problem, theta)
    assert form.kind is Kind.SADDLE
    check_critical(case, problem, theta, form)
    check_saddle(problem, theta)


def check_saddle(problem, theta):
    """Check that some direction lowers the risk and some raises it, however near."""
    gains = [gain(problem, theta, radius) for radius in (1e-2, 1e-3)]
    assert gains[0] > gains[1] > 1e-12
    up = theta.copy()
    up[-1] += 1e-3
    assert problem.risk(up) > problem.risk(theta)


@pytest.mark.sampled
@cases
@pytest.mark.parametrize(("n", "copies"), [(2, 1), (2, 3), (4, 1), (4, 2), (6, 1)])
def test_saddle_where_the_network_is_a_zigzag(case, n, copies):
    problem, theta = case.build(case.zigzag(n, np.random.default_rng(n), copies))
    form = normal_form(problem, theta)
    assert form.kind is Kind.SADDLE
    assert form.semi_active == n * copies
    check_critical(case, problem, theta, form, n)
    check_saddle(problem, theta)
    check_zigzag(case, problem, theta, n)


def check_zigzag(case, problem, theta, n):
    """Check the realisation at the ends and breakpoints: the error alternates in sign."""
    x = case.lower + np.arange(n + 2) * case.length / (n + 1)
    residual = problem.network.realize(theta, x)[:, 0] - (case.slope * x + INTERCEPT)
    expected = (-1.0) ** np.arange(n + 2) * case.slope * case.length / (2 * (n + 1) ** 2)
    np.testing.assert_allclose(residual, expected, atol=1e-11 * abs(expected[0]) * (1 + abs(case.upper)))


@pytest.mark.sampled
@cases
@pytest.mark.parametrize(
    "others", [["dead up"], ["lower up", "upper up"], ["lower down", "upper flat"]], ids=str
)
def test_zigzag_with_neurons_that_add_nothing(case, others):
    flat = [case.neuron(word) for word in [*others, "constant flat", "zero flat"]]
    breakpoint_ = case.lower + case.length / 3
    flat.append((0.8, -0.8 * breakpoint_, 0.0))  # semi-active, and flat, where a breakpoint is
    problem, theta = case.build(case.zigzag(2, np.random.default_rng(3)) + flat)
    form = normal_form(problem, theta)
    assert form.kind is Kind.SADDLE
    check_critical(case, problem, theta, form, 2)
    check_saddle(problem, theta)


@cases
def test_zigzags_that_are_none(case):
    """An odd number, the wrong sides, unequal distances and wrong sums are no critical points."""
    rng = np.random.default_rng(0)
    two, four = case.zigzag(2, rng), case.zigzag(4, rng)
    mirrored = [(-w, -b, v) for w, b, v in two]
    moved = [(w, b + 0.02 * case.length * w, v) for w, b, v in two]
    wrong = [(w, b, 1.02 * v) for w, b, v in two]
    flat_elsewhere = [*two, (1.0, -0.5 * (case.lower + case.upper), 0.0)]
    flat_wrong_side = [*two, (-two[0][0], -two[0][1], 0.0)]
    for neurons in (case.zigzag(3, rng), mirrored, moved, wrong, four[:-1], flat_elsewhere, flat_wrong_side):
        assert_not_critical(*case.build(neurons))
    assert_not_critical(*case.build(two, c=case.centre + 0.01 * case.length))


def assert_not_critical(problem, theta):
    form = normal_form(problem, theta)
    assert form.kind is Kind.NOT_CRITICAL
    assert not form.critical
    assert form.breakpoints_inside == 0
    assert np.isnan(form.deviation)
    assert form.relative_residual > 1e-4


@cases
def test_global_minimum(case):
    a, low, up = case.slope, case.lower, case.upper
    middle = (low + up) / 2
    whole = (0.5, -0.5 * low, 2 * a)  # f(x) - f(lower)
    mirrored = (-0.5, 0.5 * up, -2 * a)  # f(x) - f(upper)
    pair = [(1.0, -middle, a), (-2.0, 2 * middle, -a / 2)]  # a s(x - m) - a s(m - x)
    cancelling = [(1.0, -middle, 3.0), (1.0, -middle, -3.0)]
    wedge = [(1.0, -middle, 2.0), (-1.0, middle, -2.0), (0.5, -0.5 * low, -4.0)]
    f = lambda x: a * x + INTERCEPT  # noqa: E731
    for neurons, c in (
        ([whole], f(low)),
        ([mirrored], f(up)),
        (pair, f(middle)),
        ([whole, *cancelling], f(low)),
        ([whole, *wedge], f(low) + 2 * (middle - low)),
        ([whole, case.neuron("lower up"), case.neuron("upper down"), case.neuron("dead up")], f(low)),
        ([whole, case.neuron("zero up"), case.neuron("constant flat")], f(low)),
        ([whole, case.neuron("constant up")], f(low) - 0.6),
    ):
        problem, theta = case.build(neurons, c)
        form = normal_form(problem, theta)
        assert form.kind is Kind.GLOBAL_MINIMUM
        assert form.critical
        assert problem.risk(theta) < 1e-24 * (1 + f(up) ** 2)
        assert form.deviation < 1e-11
        assert form.breakpoints_inside == 0


@cases
@pytest.mark.parametrize("word", ["zero up", "zero down"])
def test_a_degenerate_neuron_that_is_not_flat(case, word):
    """G = 0 by convention, but the risk has a kink: the classification does not cover this state."""
    problem, theta = case.build([case.neuron(word), case.neuron("dead up")])
    assert np.all(np.abs(problem.gradient(theta)) < 1e-13 * (1 + abs(case.centre)))
    form = normal_form(problem, theta)
    assert form.kind is Kind.UNCLASSIFIED
    assert form.critical
    assert "w = b = 0" in str(form)
    # A slope, not a curvature: the gain falls as the radius, not as its square.
    moves = directions(problem, 1000, seed=0)
    gains = [(problem.risk(theta) - problem.risk(theta + r * moves)).max() for r in (1e-5, 1e-6)]
    assert gains[0] > 0
    assert gains[1] == pytest.approx(0.1 * gains[0], rel=1e-2)


# ---------------------------------------------------------------------------------------------------
# Nearly
# ---------------------------------------------------------------------------------------------------


def samples(case):
    """A critical point of each kind, with its kind and n."""
    rng = np.random.default_rng(2)
    a = case.slope
    whole = (0.5, -0.5 * case.lower, 2 * a)
    words = good(case)
    yield *case.build([case.neuron(words[0]), case.neuron(words[1])]), Kind.LOCAL_MINIMUM, 0
    yield *case.build([case.neuron("constant flat"), case.neuron("dead up")]), Kind.SADDLE, 0
    yield *case.build([case.neuron(bad(case)[0]), case.neuron(bad(case)[1])]), Kind.SADDLE, 0
    yield *case.build([case.neuron("zero flat"), case.neuron(bad(case)[1])]), Kind.SADDLE, 0
    yield *case.build(case.zigzag(2, rng, 2)), Kind.SADDLE, 2
    yield *case.build(case.zigzag(4, rng)), Kind.SADDLE, 4
    yield *case.build([whole, whole, case.neuron("dead up")], None), Kind.NOT_CRITICAL, 0
    yield *case.build([whole, case.neuron("dead up")], a * case.lower + INTERCEPT), Kind.GLOBAL_MINIMUM, 0


@cases
def test_points_near_a_critical_point(case):
    for problem, theta, kind, n in samples(case):
        assert normal_form(problem, theta).kind is kind
        for move in directions(problem, 10, seed=4):
            form = normal_form(problem, theta + 1e-9 * move)
            # Neurons that touch an end, and degenerate ones, may be moved to death.
            dead = kind is Kind.SADDLE and form.dead == len(form.neurons)
            assert (form.kind, form.breakpoints_inside) == (Kind.LOCAL_MINIMUM if dead else kind, n)
            assert form.relative_residual > 1e-13
            assert kind is Kind.NOT_CRITICAL or 0 < form.deviation < 1e-6
            assert normal_form(problem, theta + 1e-2 * move).kind is Kind.NOT_CRITICAL


@cases
def test_a_neuron_that_touches_an_end_and_moves(case):
    """Moved out it is dead, and the saddle becomes a local minimum; moved in, the point is not critical."""
    w, b, v = case.neuron(bad(case)[0])
    kinds = [normal_form(*case.build([(w, b + z, v)])).kind for z in (-1e-6, -1e-11, 0.0, 1e-9, 1e-3)]
    assert kinds == [Kind.LOCAL_MINIMUM, Kind.LOCAL_MINIMUM, Kind.SADDLE, Kind.SADDLE, Kind.NOT_CRITICAL]


def test_a_small_gradient_far_from_critical_points_is_unclassified():
    """At the zigzag with 20 breakpoints, a pair that adds nothing, but sits elsewhere, is hardly moved."""
    case = CASES[0]
    pair = [(0.1, -0.05, 0.1), (0.1, -0.05, -0.1)]
    problem, theta = case.build(case.zigzag(20, np.random.default_rng(0)) + pair)
    form = normal_form(problem, theta, tolerance=4e-6)
    assert form.kind is Kind.UNCLASSIFIED
    assert form.critical
    assert form.deviation == pytest.approx(1 / 21**2)  # the global minimum is the nearest
    assert "A longer flow" in str(form)
    # To a smaller tolerance it is not critical; without the pair it is.
    assert normal_form(problem, theta, tolerance=1e-8).kind is Kind.NOT_CRITICAL
    alone = case.build(case.zigzag(20, np.random.default_rng(0)))
    assert normal_form(*alone, tolerance=1e-8).breakpoints_inside == 20


@cases
def test_the_tolerance_decides_on_a_neuron_that_has_hardly_grown(case):
    problem, theta = case.build([(1e-4, 1e-4 * (case.length - case.lower), 1e-4)])
    assert normal_form(problem, theta, tolerance=1e-2).kind is Kind.SADDLE
    assert normal_form(problem, theta, tolerance=1e-7).kind is Kind.NOT_CRITICAL


@QUICK
@given(data=st.data())
def test_permuting_and_rescaling_change_nothing(data):
    case = data.draw(st.sampled_from(CASES))
    problem, theta, kind, n = data.draw(st.sampled_from(list(samples(case))))
    hidden = problem.network.hidden[0]
    w, b, v, c = (part.ravel() for part in split(theta, hidden))
    order = np.array(data.draw(st.permutations(range(hidden))))
    factors = np.array(data.draw(st.lists(st.floats(0.1, 10), min_size=hidden, max_size=hidden)))
    other = np.concatenate([(w * factors)[order], (b * factors)[order], (v / factors)[order], c])
    form, same = normal_form(problem, theta), normal_form(problem, other)
    assert (same.kind, same.breakpoints_inside) == (form.kind, form.breakpoints_inside) == (kind, n)
    assert same.neurons == tuple(form.neurons[k] for k in order)
    assert same.risk == pytest.approx(form.risk, rel=1e-10, abs=1e-22)


@QUICK
@given(data=st.data())
def test_units_change_nothing(data):
    """A network for a moved and stretched problem has the same numbers, but for risk and |G|."""
    hidden, seed = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 2**32))
    case, near = data.draw(st.sampled_from(CASES)), data.draw(st.sampled_from([0.0, 1e-8, 1.0]))
    plain = Case(np.sign(case.slope) * np.sqrt(3.0), -1.0, 1.0)
    neurons = plain.zigzag(2, np.random.default_rng(seed))[:hidden]
    problem, theta = plain.build([*neurons, *[plain.neuron("lower up")] * (hidden - len(neurons))])
    theta = theta + near * np.random.default_rng(seed).normal(size=theta.shape)
    w, b, v, c = (part.ravel() for part in split(theta, hidden))
    half, unit = case.length / 2, abs(case.slope) * case.length / np.sqrt(12)
    w, b, v = np.sqrt(unit) * w / half, np.sqrt(unit) * b, np.sqrt(unit) * v
    b -= w * (case.lower + case.upper) / 2
    same = np.concatenate([w, b, v, case.centre + unit * (c - plain.centre)])
    form, other = normal_form(problem, theta), normal_form(case.problem(hidden), same)
    assert (other.kind, other.neurons) == (form.kind, form.neurons)
    assert other.risk == pytest.approx(unit**2 * form.risk, rel=1e-9)
    assert other.relative_residual == pytest.approx(form.relative_residual, rel=1e-6, abs=1e-12)
    assert other.deviation == pytest.approx(form.deviation, rel=1e-4, abs=1e-11, nan_ok=True)


@QUICK
@given(data=st.data())
def test_the_relative_residual_is_at_most_the_root_of_the_risk(data):
    """The Cauchy-Schwarz inequality that its unit comes from."""
    case = data.draw(st.sampled_from(CASES))
    hidden, seed = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 2**32))
    theta = random_theta(np.random.default_rng(seed), hidden, 1, case.lower, case.upper)
    theta[data.draw(st.integers(0, len(theta) - 1))] = 0.0
    form = normal_form(case.problem(hidden), theta)
    assert 0 < form.relative_residual <= np.sqrt(form.risk / case.risk()) * (1 + 1e-12)


def test_the_relative_residual_reaches_its_bound():
    """Where the residual is in the span of the derivatives: a constant error, and nothing but c to move."""
    case = CASES[0]
    problem, theta = case.build([case.neuron("dead up")], c=1e9)
    form = normal_form(problem, theta)
    assert form.relative_residual == pytest.approx(np.sqrt(form.risk / case.risk()), rel=1e-9)


# ---------------------------------------------------------------------------------------------------
# Points that nobody built
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("hidden", [1, 2, 3])
@pytest.mark.parametrize("case", [Case(1.5, 0.0, 1.0), Case(-2.0, -1.0, 2.0)], ids=str)
def test_every_zero_of_the_gradient_is_of_a_known_kind(case, hidden):
    """Solve G = 0 from random starts by a method that does not descend; the kinds agree with the box."""
    problem, rng = case.problem(hidden), np.random.default_rng(hidden)
    seen = set()
    for start in range(25):
        theta = least_squares(
            problem.gradient, rng.normal(size=3 * hidden + 1), xtol=1e-15, ftol=1e-15, gtol=1e-15
        ).x
        form = normal_form(problem, theta, tolerance=1e-10)
        if not form.critical:
            continue
        seen.add(form.kind)
        assert form.kind is not Kind.UNCLASSIFIED, f"start {start}: {theta}"
        if form.kind is Kind.GLOBAL_MINIMUM:
            continue
        assert form.risk == pytest.approx(case.risk(form.breakpoints_inside), rel=1e-9)
        if form.kind is Kind.SADDLE:
            assert gain(problem, theta, 1e-2) > 1e-12
        elif form.dead == hidden:
            w, b, _, _ = split(theta, hidden)
            margin = -np.maximum(w * case.lower + b, w * case.upper + b).max()
            assert gain(problem, theta, 0.1 * margin / case.length) < 1e-14
    assert Kind.GLOBAL_MINIMUM in seen


@pytest.mark.parametrize("hidden", [1, 2, 4])
@pytest.mark.parametrize(("case", "size"), [(CASES[0], 0.5), (CASES[5], 0.5), (CASES[0], 1e-3)], ids=str)
def test_where_gradient_flows_end(case, size, hidden):
    """At flow time 10^6 every state is a minimum, of the risk that its kind says."""
    problem, rng = case.problem(hidden), np.random.default_rng(hidden)
    start = size * rng.normal(size=(20, 3 * hidden + 1))
    start[0, :] = 0.0  # a saddle, where the flow rests; c moves alone
    flow = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-10), start, [0.0, 1e6])
    layers = [flow[name].values[:, 1] for name in ("weight_1", "bias_1", "weight_2", "bias_2")]
    ends = np.concatenate([layer.reshape(20, -1) for layer in layers], axis=1)
    forms = [normal_form(problem, end) for end in ends]
    assert (forms[0].kind, forms[0].neurons) == (Kind.SADDLE, (Activity.DEGENERATE,) * hidden)
    for form in forms[1:]:
        if form.kind is Kind.GLOBAL_MINIMUM:
            assert form.risk < 1e-11
        else:
            assert form.kind is Kind.LOCAL_MINIMUM
            assert form.risk == pytest.approx(case.risk(), rel=1e-9)
            assert form.fully_active == form.semi_active == 0
    assert Kind.GLOBAL_MINIMUM in [form.kind for form in forms]
    assert hidden > 2 or Kind.LOCAL_MINIMUM in [form.kind for form in forms]


def test_a_flow_leaves_a_saddle():
    case = CASES[0]
    problem, theta = case.build(case.zigzag(2, np.random.default_rng(0)))
    start = theta + 1e-8 * np.random.default_rng(1).normal(size=theta.shape)
    flow = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-10), start, [0.0, 1e5])
    layers = [flow[name].values[0, 1].ravel() for name in ("weight_1", "bias_1", "weight_2", "bias_2")]
    assert normal_form(problem, start).kind is Kind.SADDLE
    assert normal_form(problem, np.concatenate(layers)).kind is Kind.GLOBAL_MINIMUM


# ---------------------------------------------------------------------------------------------------
# Constant targets
# ---------------------------------------------------------------------------------------------------


def constant_problem(hidden, value):
    return gfc.Problem(
        gfc.ReLUNetwork([1, hidden, 1]), gfc.targets.Constant(value), gfc.measures.Uniform(-1, 2)
    )


@QUICK
@given(
    hidden=st.integers(1, 5),
    value=st.sampled_from([0.0, 0.7, -3.0]),
    seed=st.integers(0, 2**32),
    zero=st.booleans(),
)
def test_every_critical_point_for_a_constant_is_a_global_minimum(hidden, value, seed, zero):
    """By the identity G . (theta + (0, 0, 0, c - 2 value)) = 4 L, also at degenerate neurons."""
    problem = constant_problem(hidden, value)
    theta = random_theta(np.random.default_rng(seed), hidden, 1, -1, 2)
    if zero:
        theta[[0, hidden]] = 0.0
    shifted = theta.copy()
    shifted[-1] += theta[-1] - 2 * value
    assert problem.gradient(theta) @ shifted == pytest.approx(4 * problem.risk(theta), rel=1e-9, abs=1e-12)
    assert normal_form(problem, theta).kind is Kind.NOT_CRITICAL


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0])
def test_constant_target(value):
    problem = constant_problem(3, value)
    w, b, v = [1.0, -1.0, 0.0], [-0.5, -5.0, 0.0], [0.0, 1.0, 2.0]
    assert normal_form(problem, [*w, *b, *v, value]).kind is Kind.GLOBAL_MINIMUM
    assert normal_form(problem, [*w, *b, *v, value + 1e-3]).kind is Kind.NOT_CRITICAL
    assert normal_form(problem, [*w, *b, *v, value + 1e-9]).deviation == pytest.approx(
        1e-9 / (abs(value) or 1.0), rel=1e-5
    )


# ---------------------------------------------------------------------------------------------------
# The interface
# ---------------------------------------------------------------------------------------------------


def test_what_each_neuron_is():
    case = Case(1.0, -1.0, 3.0)
    neurons = {
        (1.0, -3.5, 1.0): Activity.DEAD,
        (0.0, -1.0, 1.0): Activity.DEAD,
        (1.0, -3.0, 1.0): Activity.SEMI_INACTIVE,
        (-2.0, -2.0, 1.0): Activity.SEMI_INACTIVE,
        (1.0, -2.5, 1.0): Activity.SEMI_ACTIVE,
        (-1.0, 0.0, 1.0): Activity.SEMI_ACTIVE,
        (1.0, 1.0, 1.0): Activity.FULLY_ACTIVE,
        (-1.0, 8.0, 1.0): Activity.FULLY_ACTIVE,
        (0.0, 1e-9, 1.0): Activity.FULLY_ACTIVE,
        (0.0, 0.0, 1.0): Activity.DEGENERATE,
    }
    form = normal_form(*case.build(list(neurons)))
    assert form.neurons == tuple(neurons.values())
    assert (form.dead, form.fully_active, form.semi_active) == (2, 3, 2)


@pytest.mark.thorough
def test_a_neuron_that_touches_an_end_is_found_whatever_its_size():
    """Rounding of w x + b does not make it dead or active."""
    rng = np.random.default_rng(0)
    for lower in rng.uniform(-100, 100, size=300):
        case = Case(1.0, lower, lower + 1.0)
        for w in 10 ** rng.uniform([-3, -9], [3, 9]):
            form = normal_form(*case.build([(-w, w * case.lower, 1 / w), (w, -w * case.upper, -1 / w)]))
            assert form.neurons == (Activity.SEMI_INACTIVE,) * 2
            # The gradient itself is rounded, relative to w and v.
            assert form.kind is Kind.LOCAL_MINIMUM or not 1e-3 < w < 1e3


@pytest.mark.parametrize(
    "target",
    [
        gfc.targets.Polynomial([0.7, 1.5]),
        gfc.targets.Polynomial([0.7, 1.5, 0.0, 0.0]),
        gfc.targets.PiecewiseLinear([-1.0, 0.3, 2.0], [-0.8, 1.15, 3.7]),
        gfc.targets.PiecewisePolynomial([-1.0, 0.0, 2.0], [[0.7, 1.5], [0.7, 1.5, 0.0]]),
        gfc.targets.Function(lambda x: 0.7 + 1.5 * x),
    ],
    ids=lambda target: target.name,
)
def test_a_line_is_recognised_however_it_is_given(target):
    case = Case(1.5, -1.0, 2.0)
    given_, theta = case.build(case.zigzag(2, np.random.default_rng(0)))
    density = gfc.measures.PiecewisePolynomial([-1.0, 1.0, 2.0], [[0.5], [0.5]])
    for measure in (given_.measure, density):
        form = normal_form(gfc.Problem(given_.network, target, measure), theta)
        assert (form.kind, form.breakpoints_inside) == (Kind.SADDLE, 2)
        assert form.deviation < 1e-11


@pytest.mark.parametrize(
    "target",
    [
        gfc.targets.Sine(),
        gfc.targets.Step(),
        gfc.targets.Polynomial([0.0, 1.0, 1e-6]),
        gfc.targets.PiecewiseLinear([0.0, 0.5, 1.0], [0.0, 0.5, 1.001]),
        gfc.targets.PiecewisePolynomial([0.0, 0.5, 1.0], [[0.0, 1.0], [0.1, 1.0]]),
    ],
    ids=str,
)
def test_other_targets_are_refused(target):
    problem = gfc.Problem(gfc.ReLUNetwork([1, 2, 1]), target, gfc.measures.Uniform())
    with pytest.raises(gfc.InputError, match=f"known for affine targets, got '{target.name}'"):
        normal_form(problem, np.ones(7))


@pytest.mark.parametrize(
    "measure",
    [
        gfc.measures.TruncatedNormal(),
        gfc.measures.TruncatedNormal(standard_deviation=1e3),
        gfc.measures.PiecewisePolynomial([0.0, 0.5, 1.0], [[1.0], [1.1]]),
        gfc.measures.PiecewisePolynomial([0.0, 1.0], [[1.0, 0.1]]),
        gfc.measures.Uniform().discretize(16, "quantiles"),
    ],
    ids=str,
)
def test_other_measures_are_refused(measure):
    problem = gfc.Problem(gfc.ReLUNetwork([1, 2, 1]), gfc.targets.Affine(), measure)
    with pytest.raises(gfc.InputError, match=f"known for the uniform measure, got '{measure.name}'"):
        normal_form(problem, np.ones(7))


def test_other_arguments_are_refused():
    two = gfc.Problem(gfc.ReLUNetwork([1, 2, 2]), gfc.targets.Affine([1, 2], [0, 1]), gfc.measures.Uniform())
    with pytest.raises(gfc.InputError, match=r"known for widths \[1, H, 1\], got \[1, 2, 2\]"):
        normal_form(two, np.ones(10))
    deep = gfc.Problem(gfc.ReLUNetwork([1, 2, 2, 1]), gfc.targets.Affine(), gfc.measures.Uniform())
    with pytest.raises(gfc.InputError, match=r"known for widths \[1, H, 1\], got \[1, 2, 2, 1\]"):
        normal_form(deep, np.ones(13))
    problem = CASES[0].problem(2)
    with pytest.raises(gfc.InputError, match=r"one state, shape \(P,\), got \(3, 7\)"):
        normal_form(problem, np.ones((3, 7)))
    with pytest.raises(gfc.InputError, match=r"must have shape \(\.\.\., 7\)"):
        normal_form(problem, np.ones(6))
    with pytest.raises(gfc.InputError, match="finite"):
        normal_form(problem, [np.nan] * 7)
    for tolerance in (0.0, -1.0, 0.1, np.nan):
        with pytest.raises(gfc.InputError, match="tolerance must be positive and at most"):
            normal_form(problem, np.ones(7), tolerance=tolerance)


@pytest.mark.parametrize("size", [1e-320, 1e-170, 1e80, 1e160, 1e300])
def test_extreme_parameters(size):
    for sign in (1, -1):
        problem = CASES[0].problem(2)
        form = normal_form(problem, size * np.array([1.0, -1.0, -0.5, 1.0, sign, 0.3, 0.1]))
        assert not form.critical


def test_it_reads_as_a_paragraph():
    case = CASES[0]
    texts = {(kind, n): str(normal_form(problem, theta)) for problem, theta, kind, n in samples(case)}
    for (kind, _), text in texts.items():
        assert text.startswith(kind.value.capitalize())
        assert text.endswith("arXiv:2103.10922.")
        assert "\n" not in text
    assert "zigzag around the target with 4 breakpoints" in texts[Kind.SADDLE, 4]
    assert "some neuron can grow" in texts[Kind.SADDLE, 0]
    assert "4 hidden neurons: 4 semi-active" in texts[Kind.SADDLE, 2]
    assert "does not vanish" in texts[Kind.NOT_CRITICAL, 0]
    assert "1 hidden neuron: 1 dead" in str(normal_form(*case.build([case.neuron("dead up")])))
    assert isinstance(NormalForm.reference, str)
