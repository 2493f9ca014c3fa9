"""Problems beyond one input and one hidden layer, and Hessians: gradients and flows on one core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.integrate import solve_ivp

import gfcompare as gfc
from benchmarks.measure import Result, best_of
from benchmarks.peers.ours import initial
from benchmarks.peers.scipy_peer import back_propagated
from benchmarks.peers.task import split
from gfcompare.system import threads

POINTS = 1024


def timed(problem: gfc.Problem, theta: np.ndarray, calls: int) -> float:
    """Return the time of a gradient."""

    def many() -> None:
        for _ in range(calls):
            problem.gradient(theta)

    return best_of(many, 10) / calls


def deep() -> Iterator[Result]:
    """Two hidden layers on the line."""
    for widths, bar in (((1, 16, 16, 1), 40e-6), ((1, 64, 64, 1), 1e-3)):
        network = gfc.ReLUNetwork(widths)
        theta = initial(network)
        x = (np.arange(POINTS)[:, None] + 0.5) / POINTS
        y = np.sin(2 * np.pi * x)
        layers = split(widths, theta)
        peer = best_of(lambda: back_propagated(layers, x, y))
        for target in (gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), gfc.targets.Sine()):
            ours = timed(gfc.Problem(network, target, gfc.measures.Uniform()), theta, 50)
            name = "-".join(map(str, widths))
            yield Result(
                f"gradient, {name}, {target.name}", ours, "gradient", bar, f"NumPy, {POINTS} points", peer
            )


PLANE_TARGETS = {
    "polynomial": gfc.targets.MultivariatePolynomial([[2, 1], [1, 0]], [1.0, -1.0]),
    "radial bump": gfc.targets.RadialBump([0.4, 0.4], width=0.25),
}


def plane() -> Iterator[Result]:
    """Two inputs, one hidden layer."""
    box = gfc.measures.Box(0.0, 1.0)
    for label, target in PLANE_TARGETS.items():
        for hidden in (16, 64, 256):
            network = gfc.ReLUNetwork((2, hidden, 1))
            theta = initial(network)
            for nodes in (64, 1024):
                problem = gfc.Problem(network, target, box, gfc.Quadrature(nodes=nodes, coordinate=1))
                ours = timed(problem, theta, max(1, 4096 // nodes)) / nodes / hidden
                yield Result(
                    f"gradient, 2-{hidden}-1, {label}, {nodes} nodes", ours, "neuron and node", 15e-9
                )
    network = gfc.ReLUNetwork((2, 16, 1))
    for label, target in PLANE_TARGETS.items():
        problem = gfc.Problem(network, target, box, gfc.Quadrature(nodes=64))
        problem.gradient(initial(network))
        for name in ("standard-gf", "normalized-gf"):
            took, gradients = [], []
            for seed in range(8):
                data = gfc.integrate(problem, gfc.integrator(name), initial(network, seed), [0.0, 1e4])
                took.append(float(data["wall_time"][0, -1]))
                gradients.append(int(data["gradient_evaluations"][0, -1]))
            yield Result(
                f"{name} to t = 10^4, 2-16-1, {label}, 64 nodes",
                float(np.median(took)),
                "trajectory",
                0.2,
                note=f"8 seeds: {min(took):.2f} to {max(took):.2f} s, {np.median(gradients):,.0f} gradients",
            )


def kinks() -> Iterator[Result]:
    """The flow on points, which is not smooth."""
    network = gfc.ReLUNetwork((1, 32, 1))
    measure = gfc.measures.Uniform().discretize(256)
    problem = gfc.Problem(network, gfc.targets.Sine(), measure)
    problem.gradient(initial(network))

    def peer() -> object:
        return solve_ivp(
            lambda t, y: -problem.gradient(y),
            (0, 100.0),
            initial(network),
            method="RK45",
            rtol=1e-6,
            atol=1e-8,
        )

    for name in ("standard-gf", "normalized-gf"):
        took, changes = [], []
        for seed in range(8):
            data = gfc.integrate(problem, gfc.integrator(name), initial(network, seed), [0.0, 100.0])
            took.append(float(data["wall_time"][0, -1]))
            changes.append(int(data["activation_changes"][0, -1]))
        yield Result(
            f"{name} to t = 100, 1-32-1, 256 points",
            float(np.median(took)),
            "trajectory",
            1.0,
            "RK45 of SciPy, one seed" if name == "standard-gf" else "",
            best_of(peer, 1) if name == "standard-gf" else None,
            note=f"8 seeds: {min(took):.2f} to {max(took):.2f} s, {np.median(changes):,.0f} changes",
        )


def hessian() -> Iterator[Result]:
    """The exact Hessian on the line."""
    for hidden in (16, 64, 256):
        network = gfc.ReLUNetwork((1, hidden, 1))
        problem = gfc.Problem(network, gfc.targets.Sine(), gfc.measures.Uniform())
        theta = initial(network)
        count = network.parameter_count
        shifts = 1e-6 * np.eye(count)

        def differences(problem=problem, theta=theta, shifts=shifts) -> object:
            return (problem.gradient(theta + shifts) - problem.gradient(theta - shifts)) / 2e-6

        ours = best_of(lambda p=problem, t=theta: p.hessian(t), 20) / count**2
        peer = best_of(differences) / count**2
        yield Result(f"Hessian, H = {hidden}", ours, "entry", 20e-9, "differences of our gradient", peer)


def general() -> Iterator[Result]:
    """All of them, on one core."""
    before = threads.thread_count()
    threads.set_thread_count(1)
    try:
        for part in (deep, plane, kinks, hessian):
            yield from part()
    finally:
        threads.set_thread_count(before)
