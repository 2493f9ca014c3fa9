"""Problems of every kind, small, with initial parameters: what the checks run on."""

from __future__ import annotations

import atexit
import contextlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from gfcompare import initializations, measures, targets
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.integrators.status import Array
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.system.writing import temporary_folder

#: Kinds of problem, each with what is special about it.
KINDS = {
    "line": "one input, one hidden layer",
    "several outputs": "K = 2",
    "deep": "two hidden layers",
    "plane": "two inputs",
    "points": "finitely many points, some held out",
    "one neuron": "H = 1",
    "quadrature": "two inputs and a measure that needs quadrature",
    "constant target": "a constant target",
    "dead network": "no neuron active",
}


@dataclass(frozen=True)
class Sample:
    """A problem with initial parameters, shape (M, P)."""

    problem: Problem
    theta: Array


#: Few nodes: what is checked is not how exact the rule is.
QUADRATURE = Quadrature(nodes=16)

_WAVE = (0.3, 4.0, -12.0, 8.0)


@lru_cache(maxsize=16)
def sample(kind: str = "line", count: int = 3) -> Sample:
    """Return a problem of a kind of `KINDS`, with M initial parameters."""
    unit = measures.Uniform(0.0, 1.0)
    wave = targets.Polynomial(_WAVE)
    if kind == "several outputs":
        problem = Problem(ReLUNetwork((1, 4, 2)), targets.Stack((wave, targets.Sine())), unit)
    elif kind == "deep":
        problem = Problem(ReLUNetwork((1, 3, 3, 1)), wave, unit)
    elif kind == "plane":
        plane = targets.MultivariatePolynomial(((1, 0), (0, 2)), (1.0, -1.0))
        problem = Problem(ReLUNetwork((2, 4, 1)), plane, measures.Box())
    elif kind == "quadrature":
        plane = targets.MultivariatePolynomial(((1, 0), (0, 2)), (1.0, -1.0))
        product = measures.Product((unit, measures.TruncatedNormal()))
        problem = Problem(ReLUNetwork((2, 2, 1)), plane, product, QUADRATURE)
    elif kind == "points":
        problem = Problem(ReLUNetwork((1, 4, 1)), targets.Labels(), _points())
    else:
        hidden = 1 if kind == "one neuron" else 4
        target = targets.Constant(0.4) if kind == "constant target" else wave
        problem = Problem(ReLUNetwork((1, hidden, 1)), target, unit)
    # The seeds are such that the first step of a flow crosses nothing.
    rng = np.random.default_rng(3)
    theta = np.stack([initializations.He().draw(problem.network, rng) for _ in range(count)])
    if kind == "dead network":
        hidden = problem.network.hidden[0]
        theta[:, :hidden], theta[:, hidden : 2 * hidden] = -np.abs(theta[:, :hidden]), -0.5
    return Sample(problem, theta)


def _points() -> measures.Points:
    x = np.linspace(0.05, 0.95, 12)
    held_out = np.linspace(0.1, 0.9, 5)
    wave = np.polynomial.polynomial.polyval
    return measures.Points(
        x, observed=wave(x, _WAVE), test_data=held_out, test_observed=wave(held_out, _WAVE)
    )


@lru_cache(maxsize=1)
def scratch() -> Path:
    """Return a folder for files that the checks make, removed when the process ends."""
    made = contextlib.ExitStack()
    atexit.register(made.close)
    return made.enter_context(temporary_folder())


@lru_cache(maxsize=1)
def smooth() -> Sample:
    """Return a problem where breakpoints stay inside the interval for half a unit of time: G is smooth."""
    problem = Problem(ReLUNetwork((1, 3, 1)), targets.Affine(1.0, 0.2), measures.Uniform(0.0, 1.0))
    one = np.array([1.0, -1.2, 0.8, -0.3, 0.9, -0.5, 0.5, -0.4, 0.6, 0.1])
    two = np.array([-0.9, 1.1, 1.0, 0.5, -0.4, -0.35, 0.6, 0.5, -0.3, 0.3])
    return Sample(problem, np.stack([one, two]))
