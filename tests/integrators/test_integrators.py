"""The families of integrators: their orders, their choice, what they tell of their steps, very long times."""

import mpmath
import numpy as np
import pytest

import gfcompare as gfc
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers import ndf as compiled_flow
from gfcompare.integrators.solvers.chebyshev import RungeKuttaChebyshev, StiffnessSwitch
from gfcompare.integrators.solvers.coordinates import coordinates_at
from gfcompare.integrators.solvers.explicit import ExplicitRun
from gfcompare.integrators.solvers.near_equilibrium import Linearized
from gfcompare.integrators.solvers.runge_kutta import DormandPrince5, DormandPrince8, Tolerance
from gfcompare.integrators.stationarity import stationary
from gfcompare.kernels import ndf
from gfcompare.kernels.compiled import bare_entry
from gfcompare.kernels.flow import Flow, FlowSettings, Trajectory

TOLERANCE = Tolerance(1e-6, 1e-8)


def line_problem(hidden, target=None):
    target = gfc.targets.Polynomial([0.3, 4, -12, 8]) if target is None else target
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, gfc.measures.Uniform(0.0, 1.0))


def fitted_order(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


# ---------------------------------------------------------------------------------------------------
# Orders, with steps of one size, on the logistic equation: the gradient flow of y^3 / 3 - y^2 / 2
# ---------------------------------------------------------------------------------------------------

START = np.array([0.05, 0.3])


def logistic_velocity(y):
    return y * (1.0 - y)


def logistic_solution(t):
    return 1.0 / (1.0 + (1.0 / START - 1.0) * np.exp(-t))


def with_fixed_steps(method, count, end=3.0, velocity=logistic_velocity, start=START):
    y, last = start, None
    for _ in range(count):
        first = velocity(y)
        method.max_step_size(velocity, y, first)
        last = method.step(velocity, y, first, end / count, TOLERANCE)
        y, method = last.end, method.accepted(last)
    return y, last


EXPLICIT = [(DormandPrince5, (16, 24, 32, 48, 64, 96)), (DormandPrince8, (4, 6, 8, 12))]
EXPLICIT.append((RungeKuttaChebyshev, (100, 200, 400, 800)))


@pytest.mark.parametrize(("method", "counts"), EXPLICIT, ids=["dopri5", "dop853", "rkc"])
def test_order_of_explicit_methods(method, counts):
    errors = [np.linalg.norm(with_fixed_steps(method(), n)[0] - logistic_solution(3.0)) for n in counts]
    assert abs(-fitted_order(counts, errors) - method.order) < 0.15


@pytest.mark.parametrize(
    ("method", "expected", "counts"),
    [
        (DormandPrince5, 5, (8, 12, 16)),
        (DormandPrince8, 8, (3, 4, 5)),
        (RungeKuttaChebyshev, 3, (40, 80, 160)),
    ],
    ids=["dopri5", "dop853", "rkc"],
)
def test_interpolants(method, expected, counts):
    """Within the first step the error falls with one power more than the interpolant's order."""
    errors = []
    for n in counts:
        first = logistic_velocity(START)
        instance = method()
        instance.max_step_size(logistic_velocity, START, first)
        step = instance.step(logistic_velocity, START, first, 1.0 / n, TOLERANCE)
        shares = np.linspace(0.05, 0.95, 19)
        errors.append(max(np.linalg.norm(step.at(s) - logistic_solution(s / n)) for s in shares))
        # The curve starts and ends with the step, and lies in the box of its control points.
        control = step.control_points()
        assert np.allclose(control[[0, -1]], [step.start, step.end], rtol=1e-13)
        curve = np.array([step.at(s) for s in shares])
        assert np.all(curve >= control.min(axis=0) - 1e-12)
        assert np.all(curve <= control.max(axis=0) + 1e-12)
    assert -fitted_order(counts, errors) > expected - 0.3


def decaying():
    """A network whose only neuron is dead: c alone moves, and decays exponentially to the mean of f."""
    problem = line_problem(hidden=1, target=gfc.targets.Affine(slope=1.0, intercept=0.5))
    theta = np.array([0.3, -2.0, 0.7, -0.4])
    return problem, theta, lambda t: np.array([0.3, -2.0, 0.7, 1.0 - 1.4 * np.exp(-2.0 * t)])


@bare_entry
def _ndf_steps(flow, trajectory, count, work, memory):
    """Make steps of one size and order; return whether all equations were solved."""
    for _ in range(count):
        converged, _ = ndf._solve(flow, trajectory, work, memory)
        if not converged:
            return False
        ndf.accept(trajectory.differences, trajectory.counts[0], work.vectors[ndf._CORRECTION])
    return True


@pytest.mark.thorough  # compiles a kernel of its own
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_order_of_numerical_differentiation_formulas(order):
    """Each with steps of one size and exact values to begin with."""
    problem, theta, solution = decaying()
    data = problem._evaluator.flow_data()
    settings = FlowSettings(1e-13, 1e-13, 10**6, 10**6, np.inf, False, False, np.inf)
    counts = {1: (200, 400, 800), 2: (50, 100, 200), 3: (40, 80, 160), 4: (30, 60, 120), 5: (36, 48, 72)}[
        order
    ]
    errors = []
    for n in counts:
        size = 1.5 / n
        history = np.array([solution(-k * size) for k in range(order + 2)])
        differences = np.zeros((ndf.TABLE_ROWS, 4))
        for k in range(order + 2):
            differences[k] = history[0]
            history = history[:-1] - history[1:]
        flow = Flow(data, np.array([1, 1, 1]), settings)
        clock, orders = np.array([0.0, size]), np.array([order])
        plateaus = np.zeros((2, 0))
        trajectory = Trajectory(differences, clock, orders, np.zeros(1), np.zeros((6, 1)), plateaus, -1.0)
        assert _ndf_steps(flow, trajectory, n, *ndf.scratch(flow, 4))
        errors.append(abs(differences[0] - solution(1.5)).max())
        assert np.array_equal(differences[0, :3], theta[:3])
    assert abs(-fitted_order(counts, errors) - order) < 0.15


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["ndf", "bdf", "adams", "dopri5", "dop853", "rkc", "explicit"])
def test_errors_follow_the_tolerance(method):
    """Against the solution of the polynomial equation of one active neuron, by Taylor series in 30 digits."""
    problem = line_problem(hidden=1, target=gfc.targets.Affine(slope=1.0, intercept=0.5))
    theta = np.array([0.4, 0.9, 0.8, -0.3])

    def right_hand_side(t, y):
        w, b, v, c = y
        # N - f = p x + q with the moments 1, 1/2, 1/3 of the uniform measure on [0, 1].
        p, q = v * w - 1.0, v * b + c - mpmath.mpf(1) / 2
        first, second = p / 2 + q, p / 3 + q / 2
        return [-2 * v * second, -2 * v * first, -2 * (w * second + b * first), -2 * first]

    with mpmath.workdps(30):
        exact = np.array([float(y) for y in mpmath.odefun(right_hand_side, 0, list(theta))(3)])
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        integrator = gfc.integrator("standard-gf", method=method, rtol=rtol)
        data = gfc.integrate(problem, integrator, theta[None], [0.0, 3.0])
        found = np.concatenate(
            [data[k].values[0, -1].ravel() for k in ("weight_1", "bias_1", "weight_2", "bias_2")]
        )
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        assert errors[-1] < 30 * rtol
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


@pytest.mark.thorough
def test_order_across_a_kink():
    """Where a breakpoint crosses an end of the interval the Hessian jumps: order 2 is left of order 5.

    The worst over many positions of the crossing within a step; with the crossing at the end of a step
    most of it is back (the inner stages, of lower order, are still on both sides).
    """

    def velocity(y):  # the derivative of the velocity jumps at 0, as it does with a neuron dying
        return np.array([-1.0 - max(y[0], 0.0)])

    def exact(start, t):
        crossing = np.log1p(start)
        return -(t - crossing)

    worst, aligned = [], []
    counts = (40, 80, 160, 320)
    for n in counts:
        starts = np.expm1(np.log1p(0.5) + np.linspace(0.0, 1.0, 40, endpoint=False) / n)
        errors = [
            abs(with_fixed_steps(DormandPrince5(), n, 1.0, velocity, np.array([s]))[0][0] - exact(s, 1.0))
            for s in starts
        ]
        worst.append(max(errors))
        start = np.expm1(0.5)  # crosses at t = 1/2, the end of a step
        found = with_fixed_steps(DormandPrince5(), n // 10 * 2, 1.0, velocity, np.array([start]))[0][0]
        aligned.append(abs(found - exact(start, 1.0)))
    assert abs(-fitted_order(counts, worst) - 2.0) < 0.15
    assert -fitted_order(counts, aligned) > 3.5


# ---------------------------------------------------------------------------------------------------
# Choice
# ---------------------------------------------------------------------------------------------------


class Decay:
    """y' = -rates y."""

    changes, note = -1, ""

    def __init__(self, rates):
        self.rates, self.calls = np.asarray(rates), 0

    def velocity(self, y):
        self.calls += 1
        return -self.rates * y

    def first_change(self, made):
        return None

    def switch(self, y):
        return y


@pytest.mark.thorough
def test_stiffness_is_recognised():
    """From 1 to 1e4: the stabilised method takes over after the fast mode has gone, and it pays."""
    rates, end = [1.0, 1e4], 10.0
    calls = {}
    for method in ("explicit", "dopri5", "rkc"):
        events = Decay(rates)
        run = ExplicitRun(np.ones(2), events, method, TOLERANCE, 10**6)
        y, status, _ = run.to(end)
        assert status is gfc.Status.RUNNING
        assert abs(y[0] - np.exp(-end)) < 1e-6
        assert abs(y[1]) < 1e-5
        calls[method] = events.calls
    assert calls["explicit"] < calls["dopri5"] / 10
    assert calls["explicit"] < 2 * calls["rkc"]


class GrowthBesideDecay(Decay):
    """y_0 grows at a rate of 0.01 beside a stiff y_1 at rest: a neuron grows out of a saddle."""

    def __init__(self):
        super().__init__([-0.01, 2.0])

    def velocity(self, y):
        return super().velocity(y) + np.array([0.0, 2.0])


@pytest.mark.parametrize("rtol", [1e-5, 1e-6])
def test_errors_of_one_sign_do_not_add_up(rtol):
    """With the whole tolerance in each of hundreds of steps of order 2 they would be 122 and 322 of them."""
    run = ExplicitRun(
        np.array([1.0, 0.0]), GrowthBesideDecay(), "explicit", Tolerance(rtol, rtol / 100), 10**6
    )
    y, _, _ = run.to(900.0)
    assert abs(y[0] / np.exp(9.0) - 1.0) < 50 * rtol


def test_a_flow_that_is_not_stiff_stays_with_order_five():
    switch = StiffnessSwitch()
    y, _ = with_fixed_steps(switch, 100)
    assert np.linalg.norm(y - logistic_solution(3.0)) < 1e-8
    assert not switch._stiff


@pytest.mark.parametrize("rate", [1e-3, 1.0, 1e3, 1e6])
def test_largest_rate_and_stability(rate):
    """The estimate is an upper bound of the largest rate, and steps up to `longest` are stable."""
    rng = np.random.default_rng(3)
    rates = rate * np.concatenate([rng.uniform(0, 1, 20), [1.0]])
    velocity = Decay(rates).velocity
    method, y = RungeKuttaChebyshev(), rng.normal(size=21)
    size = method.max_step_size(velocity, y, velocity(y))
    assert rate <= method._rate <= 1.25 * rate
    for share in (1.0, 0.1, 1e-3):
        step = method.step(velocity, y, velocity(y), share * size, TOLERANCE)
        assert np.all(np.abs(step.end) <= np.abs(y) * (1 + 1e-6))


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["ndf", "bdf", "adams", "dopri5", "dop853", "rkc", "explicit"])
@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_families_agree(method, name):
    problem = line_problem(hidden=6)
    theta = np.random.default_rng(5).normal(size=(3, problem.network.parameter_count))
    reference = gfc.integrate(
        problem, gfc.integrator(name, method="bdf", rtol=1e-11), theta, [0.0, 1.0, 20.0]
    )
    found = gfc.integrate(problem, gfc.integrator(name, method=method, rtol=1e-7), theta, [0.0, 1.0, 20.0])
    for key in ("weight_1", "bias_1", "weight_2", "bias_2"):
        assert np.allclose(found[key], reference[key], rtol=0, atol=3e-5)


@pytest.mark.sampled
@pytest.mark.parametrize("method", ["dopri5", "dop853", "rkc", "explicit"])
def test_families_agree_on_points(method):
    """With activation changes on the way; the interpolants of each locate them."""
    points = np.linspace(0.0, 1.0, 7)
    problem = gfc.Problem(
        gfc.ReLUNetwork((1, 4, 1)),
        gfc.targets.Polynomial([0.3, 4, -12, 8]),
        gfc.measures.Points(points[:, None].tolist()),
    )
    theta = np.random.default_rng(9).normal(size=(2, 13))
    reference = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-11), theta, [0.0, 5.0])
    found = gfc.integrate(problem, gfc.integrator("standard-gf", method=method, rtol=1e-8), theta, [0.0, 5.0])
    assert reference["activation_changes"].values[:, -1].min() > 0
    assert np.allclose(found["risk"], reference["risk"], rtol=1e-4)
    assert np.allclose(found["weight_1"], reference["weight_1"], rtol=0, atol=1e-4)
    assert np.array_equal(found["activation_changes"], reference["activation_changes"])


# ---------------------------------------------------------------------------------------------------
# What is told of the steps
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ndf", "bdf", "dopri5", "dop853", "rkc"])
def test_step_statistics(method):
    problem = line_problem(hidden=6)
    theta = np.random.default_rng(5).normal(size=(2, problem.network.parameter_count))
    times = [0.0, 0.5, 5.0, 50.0]
    data = gfc.integrate(problem, gfc.integrator("standard-gf", method=method), theta, times)
    steps, rejected, smallest = (data[k].values for k in ("steps", "rejected_steps", "smallest_step"))
    assert np.all(np.diff(steps) > 0)
    if method == "bdf":
        assert np.all(rejected == -1)  # its Python interface does not tell
    else:
        assert np.all(rejected[:, 0] == 0)
        assert np.all(np.diff(rejected) >= 0)
    assert np.isnan(smallest[:, 0]).all()
    assert np.all(smallest[:, 1:] > 0)
    assert np.all(np.diff(smallest[:, 1:]) <= 0)
    # As many steps as there are cannot have been longer than the time on average.
    assert np.all(smallest[:, -1] * steps[:, -1] <= 1.5 * 50.0)


def test_rejected_steps_are_counted():
    """A right-hand side whose rate jumps up: the next step is too long, and is tried again."""

    class Faster(Decay):
        def velocity(self, y):
            self.rates = np.array([1.0 if y[0] > 0.5 else 50.0])
            return super().velocity(y)

    run = ExplicitRun(np.ones(1), Faster([1.0]), "dopri5", TOLERANCE, 10**6)
    run.to(2.0)
    assert run.rejected >= 1
    assert run.smallest_step < 0.05


def test_methods_without_step_control_have_no_statistics():
    problem = line_problem(hidden=2)
    data = gfc.integrate(problem, gfc.integrator("gd", step_size=0.1), np.ones((1, 7)), [0.0, 1.0])
    assert np.all(data["rejected_steps"] == -1)
    assert np.isnan(data["smallest_step"]).all()


# ---------------------------------------------------------------------------------------------------
# Very long times
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
@pytest.mark.parametrize("hidden", [1, 4, 32])
def test_very_long_times(name, hidden):
    """To t = 1e20: every trajectory gets there, its risk has not risen, and it is where it was at 1e12."""
    problem = line_problem(hidden=hidden)
    theta = np.random.default_rng(11).normal(size=(4, problem.network.parameter_count))
    times = [0.0, 1e4, 1e8, 1e12, 1e16, 1e20]
    data = gfc.integrate(problem, gfc.integrator(name), theta, times)
    assert np.isin(data["status"], [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    risk = data["risk"].values
    assert np.all(np.diff(risk) <= 1e-6 * risk[:, :-1])
    assert np.allclose(risk[:, 3], risk[:, -1], rtol=1e-6)
    assert np.all(data["gradient_norm"].values[:, 0] > 0)
    assert np.all(data["steps"].values[:, -1] < 20_000)


def test_risks_near_rounding():
    """An affine target that the network can reach: the risk falls to 1e-30, without a stall."""
    problem = line_problem(hidden=6, target=gfc.targets.Affine(slope=1.0, intercept=0.5))
    theta = np.random.default_rng(2).normal(size=(6, problem.network.parameter_count))
    data = gfc.integrate(problem, gfc.integrator("standard-gf"), theta, [0.0, 1e2, 1e6, 1e10, 1e14])
    risk = data["risk"].values
    assert np.isin(data["status"], [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    assert np.median(risk[:, -1]) < 1e-20
    assert risk[:, -1].min() < 1e-28
    assert np.all(risk[:, -1] >= 0)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_direct_linear_algebra_against_bdf(name, monkeypatch):
    """The solver for late flows, from the start on: the same trajectory as every other method."""
    monkeypatch.setattr(compiled_flow, "_MAX_REJECTED", 0)
    problem = line_problem(hidden=4)
    theta = np.random.default_rng(4).normal(size=(3, problem.network.parameter_count))
    times = [0.0, 7.0, 900.0]
    expected = gfc.integrate(problem, gfc.integrator(name, rtol=1e-10, method="bdf"), theta, times)
    found = gfc.integrate(problem, gfc.integrator(name, rtol=1e-7), theta, times)
    for key in ("weight_1", "bias_1", "weight_2", "bias_2"):
        assert np.allclose(found[key], expected[key], atol=5e-6)
    # Each Hessian counts as P gradients.
    assert (found["gradient_evaluations"][:, -1] > 13 * found["steps"][:, -1]).all()


def test_linearized_flow_in_closed_form():
    """A constant target and a fixed function: the bias relaxes at rate 2."""
    problem = line_problem(hidden=1, target=gfc.targets.Constant(0.5))
    # The neuron is dead: only the output bias moves, c' = -2 (c - 1/2).
    theta = np.array([-1.0, -0.5, 0.3, 0.5 + 1e-7])
    near = Linearized(problem, theta, False)
    for duration in (0.1, 1.0, 30.0, 1e9):
        expected = 0.5 + 1e-7 * np.exp(-2.0 * duration)
        assert near.after(duration)[-1] == pytest.approx(expected, abs=1e-15)
        assert np.array_equal(near.after(duration)[:3], theta[:3])
    assert near.verdict(1e9, np.full(4, 1e-6), 0.0) == "settled"
    assert near.verdict(1e9, np.full(4, 1e-9), 0.0) == "moves"
    assert not near.at_rest
    assert Linearized(problem, np.array([-1.0, -0.5, 0.3, 0.5]), False).at_rest


_PLANE_TARGET = gfc.targets.MultivariatePolynomial([[2, 1], [1, 0]], [1.0, -1.0])
#: One hidden layer with an exact Hessian: d = 1, 2, 3 and one output or two, with rows on S^1, S^2, S^3.
SMOOTH = {
    "line": lambda: line_problem(hidden=3),
    "plane": lambda: gfc.Problem(gfc.ReLUNetwork((2, 4, 1)), _PLANE_TARGET, gfc.measures.Box()),
    "normal": lambda: gfc.Problem(
        gfc.ReLUNetwork((3, 2, 2)), gfc.targets.Teacher((3, 2, 2), seed=1), gfc.measures.Gaussian(dimension=3)
    ),
    "frozen": lambda: gfc.Problem(
        gfc.ReLUNetwork((3, 2, 1)),
        gfc.targets.Teacher((3, 2, 1), seed=1),
        gfc.measures.Gaussian(dimension=3),
        frozen=("biases", "weight_2"),
    ),
}


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("kind", SMOOTH)
def test_coordinates(kind, normalized):
    """Gradient and Hessian in the coordinates of a flow, by differences of the risk."""
    problem = SMOOTH[kind]()
    if normalized and problem.frozen:
        pytest.skip("on M rows are free")
    theta = problem.network.normalize(np.random.default_rng(6).normal(size=problem.network.parameter_count))
    coordinates = coordinates_at(CountedProblem(problem, 1), theta, normalized)
    gradient, hessian = coordinates.gradient(theta), coordinates.hessian(theta)
    fewer = problem.network.hidden[0] if normalized else problem.network.members(problem.frozen).sum()
    assert gradient.shape == (len(theta) - fewer,)
    units = np.eye(len(gradient))
    assert np.array_equal(coordinates.theta(0.0 * gradient), theta)

    def risk(z):
        at = coordinates.theta(z)
        if normalized:
            assert np.allclose(problem.network.row_norms(at)[0], 1.0, atol=1e-15)
        return problem.risk(at)

    size = 1e-5
    slopes = [(risk(size * e) - risk(-size * e)) / (2 * size) for e in units]
    assert np.allclose(gradient, slopes, atol=1e-8)

    def bends(size):
        return np.array(
            [
                [
                    risk(size * (e + f)) - risk(size * (e - f)) - risk(size * (f - e)) + risk(-size * (e + f))
                    for f in units
                ]
                for e in units
            ]
        ) / (4 * size**2)

    # Second differences in pairs of directions; without their error of size^2 there is one of size^4.
    found = (4.0 * bends(1e-3) - bends(2e-3)) / 3.0
    assert np.allclose(hessian, found, atol=1e-7)
    assert np.array_equal(hessian, hessian.T)


@pytest.mark.parametrize("on_manifold", [False, True])
def test_stationary_to_rounding(on_manifold):
    """At a critical point rounded to floating point, and not a thousand roundings away from it."""
    problem = line_problem(hidden=2, target=gfc.targets.Constant(0.5))
    # Both neurons cancel: N = 1/2 exactly, the risk is 0.
    theta = np.array([0.6, 0.6, 0.8, 0.8, 1.3, -1.3, 0.5])
    off = theta + np.array([0, 0, 0, 0, 0, 0, 1e-12])
    rows = np.stack([theta, off, theta + np.array([0, 0, 0, 0, 0, 0, 1e-3])])
    still, sizes, _ = stationary(problem, rows, on_manifold)
    assert still.tolist() == [True, False, False]
    assert sizes[1] > 1e-13


@pytest.mark.parametrize("kind", ["plane", "normal", "frozen"])
@pytest.mark.parametrize("on_manifold", [False, True])
def test_a_slow_mode_beside_rounding_is_no_rest(kind, on_manifold):
    """At a student that is the teacher, and a little away from it along one weight.

    The plane's gradient at the teacher is all rounding, told from a slow mode by four standard errors of nine
    samples: here it has three, and the mode at its distance more than sixty.
    """
    seed, away = (10, 1e-12) if kind == "plane" else (3, 1e-13)
    inputs = 2 if kind == "plane" else 3
    outputs = 1 if kind == "frozen" else 2
    network = gfc.ReLUNetwork((inputs, 3, outputs))
    theta = network.normalize(np.random.default_rng(seed).normal(size=network.parameter_count))
    target = gfc.targets.Network(network.widths, theta)
    measure = gfc.measures.Box(dimension=2) if inputs == 2 else gfc.measures.Gaussian(dimension=3)
    frozen = ("biases", "weight_2") if kind == "frozen" else ()
    problem = gfc.Problem(network, target, measure, frozen=frozen)
    off = np.zeros_like(theta)
    off[0] = away if not on_manifold else 0.0
    off[-1] = 0.0 if kind == "frozen" or not on_manifold else away
    if not off.any():
        pytest.skip("flows on M with frozen parameters have no exact Hessian of their own")
    still, sizes, _ = stationary(problem, np.stack([theta, theta + off]), on_manifold)
    assert still.tolist() == [True, False]
    assert sizes[1] > 1e-15


def test_the_gradient_along_m_counts_on_m():
    """A critical point of the normalised flow need not be one of the standard flow."""
    problem = line_problem(hidden=1, target=gfc.targets.Affine(slope=1.0, intercept=0.5))
    data = gfc.integrate(
        problem, gfc.integrator("normalized-gf"), np.array([[0.3, 0.9, 0.4, 0.1]]), [0.0, 1e3, 1e8, 1e9]
    )
    theta = np.concatenate(
        [data[k].values[0, -1].ravel() for k in ("weight_1", "bias_1", "weight_2", "bias_2")]
    )
    along = problem.network.project(theta, problem.gradient(theta))
    assert np.linalg.norm(along) < 1e-10
