"""Flows stay where the exact flow stays, leave saddles when it does, and are never frozen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from support import examples

import gfcompare as gfc
from gfcompare.integrators.solvers.conserved import Conserved
from gfcompare.integrators.solvers.near_equilibrium import Linearized
from gfcompare.results.reading import parameters

FLOWS = ("standard-gf", "normalized-gf")


def line(hidden: int, target: gfc.Target, end: float = 1.0) -> gfc.Problem:
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, gfc.measures.Uniform(0.0, end))


def draw(problem: gfc.Problem, seeds, initialization=None) -> np.ndarray:
    chosen = initialization or gfc.initializations.He()
    return np.stack([chosen.draw(problem.network, np.random.default_rng(seed)) for seed in seeds])


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("method", "rtol", "count"), [("ndf", 1e-6, 24), ("ndf", 1e-4, 24), ("bdf", 1e-5, 4)]
)
def test_the_risk_does_not_rise_late_in_the_normalised_flow(method, rtol, count):
    """Seed 0 ends in a critical point of risk 1811.78; it was driven out of it through a row of norm 0."""
    problem = line(1, gfc.targets.Polynomial([3.0, 40.0, -120.0, 80.0]), 3.0)
    theta, times = draw(problem, range(count)), [1e2, 1e4, 1e6, 1e7, 1e8]
    found = gfc.integrate(problem, gfc.integrator("normalized-gf", rtol=rtol, method=method), theta, times)
    tight = gfc.integrate(problem, gfc.integrator("normalized-gf", rtol=1e-10), theta, times)
    risk = found["risk"].values
    assert np.isin(found["status"], [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    assert (np.diff(risk, axis=1) <= 1e-6 * risk[:, :-1]).all()
    assert np.allclose(risk[:, 1:], tight["risk"].values[:, 1:], rtol=100 * rtol)
    assert risk[0, -1] == pytest.approx(1811.784, abs=1e-3)


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("widths", [(1, 4, 1), (1, 3, 3, 2)])
def test_nothing_drifts(flow, widths):
    """Balancedness within rtol / 10 of |theta|^2, rows on M, at every save time to 10^12 (deep: 10^6)."""
    target = gfc.targets.Polynomial([[0.3, 4.0, -12.0, 8.0]] * widths[-1])
    problem = gfc.Problem(gfc.ReLUNetwork(widths), target, gfc.measures.Uniform())
    theta = draw(problem, range(6))
    end = 12 if len(widths) == 3 else 6
    for rtol in (1e-4, 1e-6):
        data = gfc.integrate(
            problem, gfc.integrator(flow, rtol=rtol), theta, np.geomspace(1.0, 10.0**end, end + 1)
        )
        states = parameters(data)
        if flow == "normalized-gf":
            assert problem.network.distance_to_manifold(states).max() < 1e-13
            continue
        balance = np.concatenate(problem.network.balancedness(states), axis=-1)
        start = np.concatenate(problem.network.balancedness(theta), axis=-1)
        drift = np.abs(balance - start[:, None]).max(axis=-1)
        # Between layers it is restored by iteration: 1.4e-6 was measured at rtol 1e-4, 1.2e-9 at 1e-6.
        bound = 1e-9 if len(widths) == 3 else rtol / 10
        assert np.nanmax(drift / (states**2).sum(axis=-1)) < bound


def test_norms_at_long_times():
    """The norm of seed 1 stays 18.5207 to t = 10^12, whatever the tolerance; it grew to 86."""
    problem = line(1, gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), 3.0)
    for rtol in (1e-4, 1e-6):
        data = gfc.integrate(
            problem, gfc.integrator("standard-gf", rtol=rtol), draw(problem, [1]), [1e2, 1e8, 1e12]
        )
        norms = np.linalg.norm(parameters(data), axis=-1)
        assert np.allclose(norms, 18.52066, rtol=2 * rtol)


@pytest.mark.sampled
@pytest.mark.parametrize("method", ["ndf", "bdf"])
@pytest.mark.parametrize(("rtol", "scale"), [(1e-6, 1e-11), (1e-4, 1e-9), (1e-3, 1e-7), (1e-6, 1e-30)])
def test_leaves_the_saddle_at_zero(method, rtol, scale):
    """Affine target, 1-2-1: gradient descent leaves the saddle of risk 1/12, and so does the flow."""
    problem = line(2, gfc.targets.Affine(slope=1.0))
    theta = draw(problem, range(6), gfc.initializations.He(scale=scale))
    times = [0.0, 10.0, 100.0, 1000.0]
    flow = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=rtol, method=method), theta, times)
    descent = gfc.integrate(problem, gfc.integrator("gd", step_size=0.1), theta, times)
    left = descent["risk"].values[:, -1] < 1e-6
    assert left.sum() == 5  # both neurons of seed 2 die
    assert np.array_equal(flow["risk"].values[:, -1] < 1e-6, left)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("scale", "risks"), [(1e-8, (0.14634, 0.14548)), (1e-15, (0.15952, 0.14548)), (1e-30, (0.15954, 0.15944))]
)
def test_small_networks_against_scipy(scale, risks):
    """Sine, 1-4-1: SciPy's LSODA on the exact gradient, its tolerances relative to each neuron."""
    problem = line(4, gfc.targets.Sine())
    theta = draw(problem, [2], gfc.initializations.Normal(scale=scale))
    sizes = np.sqrt(theta[0, :4] ** 2 + theta[0, 4:8] ** 2 + theta[0, 8:12] ** 2)
    atol = 1e-8 * np.concatenate([sizes, sizes, sizes, [1e-3]])
    times = [300.0, 1000.0]
    expected = solve_ivp(
        lambda t, y: -problem.gradient(y), (0.0, 1000.0), theta[0], "LSODA", times, rtol=1e-6, atol=atol
    )
    for method in ("ndf", "bdf"):
        found = gfc.integrate(problem, gfc.integrator("standard-gf", method=method), theta, times)
        assert np.allclose(found["risk"].values[0], problem.risk(expected.y.T), rtol=1e-4)
        assert np.allclose(found["risk"].values[0], risks, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("flow", "seed", "risk", "norm"), [("standard-gf", 30, 1 / 2, 1 / 4), ("normalized-gf", 26, 1 / 3, 1 / 3)]
)
def test_a_flow_that_never_ends(flow, seed, risk, norm):
    """Step target, 1-2-1: an infimum that is not attained. Its laws hold, or the status says why not."""
    problem = line(2, gfc.targets.Step())
    times = np.array([1e6, 1e8, 1e10, 1e12, 1e20])
    data = gfc.integrate(problem, gfc.integrator(flow, max_steps=30_000), draw(problem, [seed]), times)
    norms = np.linalg.norm(parameters(data)[0], axis=-1)
    law = data["risk"].values[0] * times**risk
    there = np.isfinite(law)
    assert there[:3].all()
    assert not there[-1]
    assert np.allclose(law[there] / law[0], 1.0, rtol=0.01)
    scaled = (norms / times**norm)[there]
    assert np.allclose(scaled / scaled[0], 1.0, rtol=0.01)
    assert data["status"].values[0] in (gfc.Status.PRECISION_LIMIT, gfc.Status.STEP_LIMIT)
    assert str(data["message"].values[0])


@pytest.mark.parametrize("seed", [6, 8])
def test_several_neurons_on_the_way_to_infinity(seed):
    """Neurons whose breakpoints nearly coincide are left to the tolerance of their size, not held to less.

    The risk tends to an infimum that is not attained, as t^(-1/2). Held to an absolute tolerance, seed 6
    took a million steps to 10^10.
    """
    problem = line(8, gfc.targets.Step())
    draws = (gfc.initializations.He(), gfc.initializations.Normal())
    theta = draw(problem, [seed], draws[seed % 2])
    data = gfc.integrate(problem, gfc.integrator("standard-gf"), theta, [1e6, 1e8, 1e10])
    risk = data["risk"].values[0]
    assert data["status"].item() == gfc.Status.REACHED_END
    assert risk[:-1] / risk[1:] == pytest.approx(10.0, rel=0.02)
    assert data["steps"].values[0, -1] < 20_000


def test_narrow_valleys_at_loose_tolerance():
    """The same at rtol = 1e-4: errors far below the tolerance drove the motion along the valley."""
    problem = line(2, gfc.targets.Step())
    times = np.array([1e6, 1e7, 1e8])
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-4), draw(problem, [26]), times)
    assert np.allclose(data["risk"].values[0] * np.sqrt(times), 0.2158, rtol=0.01)


SCALES = st.sampled_from([0.0, 1.0, -1.0, 1e-30, -1e-30, 1e-160, 1e8, 0.3])


@examples(60)
@given(st.integers(1, 3), st.sampled_from([(2,), (1, 2)]), st.data())
def test_restoring_keeps_the_function(inputs, after, data):
    """Back to another balancedness along the symmetry: the same function, nearer to that balancedness."""
    network = gfc.ReLUNetwork((inputs, 3, *after))
    count = network.parameter_count
    theta = np.array(data.draw(st.lists(SCALES, min_size=count, max_size=count)))
    before = theta * (1.0 + 1e-3 * np.sin(np.arange(count)))
    conserved = Conserved.along(network, "standard", before, 1.0, ())
    restored = conserved.restored(theta)
    x = np.random.default_rng(0).normal(size=(5, inputs))
    values, size = network.realize(theta, x), network.realize(np.abs(theta), np.abs(x))
    assert np.allclose(network.realize(restored, x), values, rtol=0, atol=1e-12 * size.max() + 1e-300)
    assert np.isfinite(conserved.sizes(theta)).all()
    assert (conserved.sizes(theta) > 0).all()
    off = np.abs(np.concatenate(network.balancedness(restored)) - conserved.balance[0])
    was = np.abs(np.concatenate(network.balancedness(theta)) - conserved.balance[0])
    if len(after) == 1:  # between layers, what mends one neuron may cost another a little
        assert (off <= was + 1e-12 * (1.0 + theta @ theta)).all()


def test_a_slow_mode_is_told_from_rounding_in_stiff_ones():
    """Late in the valley of the step target the gradient along it is far smaller than rounding elsewhere."""
    problem = line(2, gfc.targets.Step())
    data = gfc.integrate(problem, gfc.integrator("standard-gf"), draw(problem, [30]), [1e9])
    near = Linearized(problem, parameters(data)[0, -1], False)
    assert not near.at_rest
    assert near.verdict(1e11, np.full(7, 1e-6), 0.0) == "moves"


@pytest.mark.parametrize("rtol", [1e-6, 1e-8])
def test_a_breakpoint_comes_to_rest_on_an_end(rtol):
    """There the Hessian jumps; Newton's method went to and fro, and 10^6 steps were not enough."""
    target = gfc.targets.Polynomial([1724.68429042, -12190.77271823, 27194.21695158, -17305.55091795])
    problem = line(4, target)
    rows = [[0.104472, -0.415563, -0.785511, -0.953266], [0.994528, 0.909564, -0.618847, 0.302131]]
    output = [0.508882, -0.696669, 0.514057, -0.795385]
    theta = problem.network.normalize(np.array([*rows[0], *rows[1], *output, 0.0])[None])
    data = gfc.integrate(
        problem, gfc.integrator("normalized-gf", rtol=rtol, max_steps=5000), theta, [1e4, 1e10]
    )
    end = parameters(data)[0, -1]
    assert data["status"].values[0] in (gfc.Status.STATIONARY, gfc.Status.REACHED_END)
    assert data["risk"].values[0] == pytest.approx([115443.58749678] * 2, rel=1e-9)
    assert -end[4] / end[0] == pytest.approx(1.0, abs=0.5 * rtol)
    assert np.linalg.norm(problem.network.project(end, problem.gradient(end))) < 1e-9


@pytest.mark.parametrize("flow", FLOWS)
def test_nothing_is_pushed_along_a_valley_of_minima(flow):
    """Constant target far from 0: at the end of a flow, errors of GMRES moved loose runs by 500 rtol."""
    network = gfc.ReLUNetwork((1, 8, 1))
    problem = gfc.Problem(network, gfc.targets.Constant(-3.7), gfc.measures.Uniform(2.0, 2.1))
    # Seed 0 of the standard flow passes a saddle, which carries errors apart.
    theta, times = draw(problem, range(1, 5)), [1e4, 1e10]
    tight = parameters(gfc.integrate(problem, gfc.integrator(flow, rtol=1e-10), theta, times))
    for rtol in (1e-4, 1e-5):
        loose = parameters(gfc.integrate(problem, gfc.integrator(flow, rtol=rtol), theta, times))
        errors = np.linalg.norm(loose - tight, axis=-1) / np.linalg.norm(tight, axis=-1)
        assert (errors < 30 * rtol).all()


@pytest.mark.thorough
def test_loose_tolerances_do_not_make_steps_short():
    """Sine, 1-16-1 on M: what Newton's method left made steps short, and 10^5 of them at rtol = 1e-4."""
    problem = line(16, gfc.targets.Sine())
    for rtol in (1e-4, 1e-6):
        data = gfc.integrate(
            problem, gfc.integrator("normalized-gf", rtol=rtol), draw(problem, range(40)), [0.0, 1e6]
        )
        assert data["steps"].values[:, -1].max() < 3000


def test_noise_in_high_differences_does_not_make_steps_short():
    """Two breakpoints nearer to each other than the tolerance tells: 163 steps rejected, and 2730 of 7064.

    The order stayed at 5, where differences make most of what Newton's method leaves; and that converged
    slowly, with a Hessian that changes with the distance of the two.
    """
    kink, step = line(32, gfc.targets.AbsoluteValue(centre=0.3)), line(4, gfc.targets.Step())
    data = gfc.integrate(kink, gfc.integrator("standard-gf"), draw(kink, [30, 64]), [1e6, 1e10])
    assert data["rejected_steps"].values[:, -1].max() < 30
    theta = draw(step, [85], gfc.initializations.Normal())
    data = gfc.integrate(step, gfc.integrator("standard-gf"), theta, [1e4, 1e6, 1e10])
    rejected, steps = (int(data[name].values[0, -1]) for name in ("rejected_steps", "steps"))
    assert rejected < 0.4 * steps < 1000


def test_rounding_does_not_end_a_flow():
    """Affine target, 1-2-1: at |G| = 1e-17 the line search followed rounding, and steps became too short."""
    problem = line(2, gfc.targets.Affine(slope=1.0))
    theta = [0.60419657, 1.47820628, -0.11445801, 0.01147746, -0.96815982, 0.36815885, 0.14909946]
    around = np.array(theta) * (1.0 + 1e-9 * np.random.default_rng(0).normal(size=(20, 7)))
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-8), around, [1e6, 1e14])
    assert np.isin(data["status"], [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    assert (data["risk"].values[:, -1] < 1e-20).all()
