"""Neurons that leave the inputs: what the exact flow never does is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gfcompare as gfc
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.dead_neurons import EndCrossings, dead, remarks
from gfcompare.integrators.solvers.pushed_zeros import is_pushed

PROBLEM = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform(0.0, 1.0))


@given(st.lists(st.floats(-3.0, 3.0), min_size=7, max_size=7))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_a_dead_neuron_has_no_gradient_and_no_other_is_dead(values: list[float]) -> None:
    theta = np.array([values])
    layer = PROBLEM.network.layers(theta)[0]
    x = np.array([0.0, 1.0])
    active = (layer.weight[0] * x + layer.bias[0][:, None] > 0.0).any(axis=1)
    found = dead(PROBLEM, theta)[0]
    np.testing.assert_array_equal(found, ~active)
    gradient = PROBLEM.network.layers(PROBLEM.gradient(theta))[0]
    assert not gradient.weight[0, found].any()
    assert not gradient.bias[0, found].any()


def test_in_the_plane_the_corners_count() -> None:
    network = gfc.ReLUNetwork((2, 3, 1))
    problem = gfc.Problem(
        network,
        gfc.targets.MultivariatePolynomial([[1, 0]], [1.0]),
        gfc.measures.Box(0.0, 1.0, dimension=2),
        gfc.Quadrature(nodes=8),
    )
    # Largest pre-activations on the square: 1 - 1.5 < 0, 1 + 1 - 1.5 > 0, and 0 exactly at a corner.
    layer = [(np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]]), np.array([-1.5, -1.5, 0.0]))]
    theta = network.join([*layer, (np.ones((1, 3)), np.zeros(1))])[None]
    assert dead(problem, theta).tolist() == [[True, False, True]]


def test_the_message_says_what_the_exact_flow_does_not_do() -> None:
    """Of one neuron: it comes as near as 1e-6 to the end and goes back; at a loose tolerance it is lost."""
    problem = gfc.Problem(
        gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Constant(0.0), gfc.measures.Uniform(0.0, 1.0)
    )
    alive, gone = np.array([[1.0, -0.5, 1.0, 0.0]]), np.array([[1.0, -1.5, 1.0, 0.0]])
    assert remarks(problem, alive, alive) == remarks(problem, gone, gone) == [""]
    assert remarks(problem, alive, gone)[0].startswith("a neuron left the inputs")
    assert remarks(problem, gone, alive)[0].startswith("a neuron came to life")


def test_a_neuron_becomes_active_on_all_inputs_or_ceases_to_be() -> None:
    # One input on [0, 1], and the square [0, 1]^2, on which w = (1, 1).
    for inputs in (1, 2):
        box = gfc.measures.Uniform(0.0, 1.0) if inputs == 1 else gfc.measures.Box((0.0, 0.0), (1.0, 1.0))
        problem = gfc.Problem(gfc.ReLUNetwork((inputs, 1, 1)), gfc.targets.Constant(0.0), box)

        def neuron(bias: float, inputs: int = inputs) -> np.ndarray:
            return np.array([1.0] * inputs + [bias, 1.0, 0.0])

        partly, other, fully, gone = neuron(-0.5), neuron(-0.6), neuron(0.1), neuron(-3.0)
        assert EndCrossings(problem)(partly, fully)
        assert EndCrossings(problem)(fully, partly)
        for before, after in (
            (partly, other),
            (partly, gone),
            (gone, partly),
            (fully, fully),
        ):
            assert not EndCrossings(problem)(before, after)
        # Steps of a solver with an integral along the way, one made again, and one from another state.
        crosses, along = EndCrossings(problem), np.ones(1)
        one, two, far = (np.append(theta, along) for theta in (partly, other, fully))
        steps = [(one, far), (one, two), (two, far), (far, one), (two, one)]
        assert [crosses(*step) for step in steps] == [True, False, True, True, False]


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("orientation", [1.0, -1.0])
def test_a_zero_is_pushed_where_both_velocities_lead_back(inputs: int, orientation: float) -> None:
    """One input on [0, 1], and the square; the pre-activation is lowest at the zero's end or corner."""
    box = gfc.measures.Uniform(0.0, 1.0) if inputs == 1 else gfc.measures.Box((0.0, 0.0), (1.0, 1.0))
    network = gfc.ReLUNetwork((inputs, 1, 1))
    problem = CountedProblem(gfc.Problem(network, gfc.targets.Constant(0.0), box), 1)

    def neuron(lowest: float) -> np.ndarray:
        bias = lowest if orientation > 0.0 else inputs + lowest
        return np.array([orientation] * inputs + [bias, 1.0, 0.0])

    def velocity(rate: float) -> np.ndarray:
        """Return one that makes the lowest pre-activation rise at a rate, by the bias or by the weights."""
        if orientation > 0.0:
            return np.array([5.0] * inputs + [rate, 0.0, 0.0])
        return np.array([rate / inputs] * inputs + [0.0, 0.0, 0.0])

    within, beyond = neuron(-1e-3), neuron(1e-3)
    up, down = velocity(1.0), velocity(-1.0)
    assert is_pushed(problem, (within, beyond), (down, down))
    assert is_pushed(problem, (beyond, within), (up, up))
    for states, velocities in (
        ((within, beyond), (up, up)),
        ((within, beyond), (up, down)),
        ((beyond, within), (down, down)),
        ((within, within), (down, down)),
    ):
        assert not is_pushed(problem, states, velocities)


def test_normal_inputs_have_no_end_to_leave() -> None:
    measure = gfc.measures.Gaussian(dimension=1)
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Constant(0.0), measure)
    near, far = np.array([[1.0, -7.9, 1.0, 0.0]]), np.array([[1.0, -8.1, 1.0, 0.0]])
    assert problem.gradient(far)[0, 0] != 0.0
    assert remarks(problem, near, far) == remarks(problem, far, near) == [""]


def test_cvode_says_what_it_loses() -> None:
    """At a loose tolerance; the compiled flow sets such neurons aside, see test_dormant_neurons."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Step(), gfc.measures.Uniform(0.0, 1.0))
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(261))
    for method, said in (("bdf", True), ("ndf", False)):
        flow = gfc.integrator("standard-gf", rtol=1e-4, method=method)
        data = gfc.integrate(problem, flow, theta, [0.0, 10.0])
        assert ("a neuron left the inputs" in str(data["message"].values[0])) == said
    descent = gfc.integrator("gd", step_size=1e-3)
    data = gfc.integrate(problem, descent, theta, [0.0, 10.0])
    assert not str(data["message"].values[0])
