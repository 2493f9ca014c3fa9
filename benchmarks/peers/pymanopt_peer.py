"""pymanopt: steepest descent with a constant step, the hidden rows of all networks on an oblique manifold."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymanopt
from pymanopt.manifolds import Euclidean, Oblique, Product
from pymanopt.optimizers import SteepestDescent

from benchmarks.peers.jax_peer import data, gradient, risk
from benchmarks.peers.task import Array, Run, Task, joined

__all__ = ["descent", "gradient"]


class ConstantStep:
    """Line search of pymanopt that takes the step that it is given."""

    def __init__(self, size: float) -> None:
        self.size = size

    def search(
        self, objective: Any, manifold: Any, x: Any, d: Any, f0: float, df0: float
    ) -> tuple[float, Any]:
        """Return the length of the step, and the new point."""
        return self.size * manifold.norm(x, d), manifold.retraction(x, self.size * d)


def descent(task: Task) -> Run:
    """Prepare normalised gradient descent of all networks at once: the sum of their risks falls.

    The columns of a point of an oblique manifold have norm 1: they are the hidden rows, layer by layer.
    """
    x, y = data(task)
    networks = len(task.theta)
    hidden = task.layers[:-1]
    shapes = [weight.shape for weight, _ in hidden]
    last = task.layers[-1]
    manifold = Product(
        [Oblique(shape[2] + 1, networks * shape[1]) for shape in shapes]
        + [Euclidean(*part.shape) for part in last]
    )

    def layers(parts: Any) -> Any:
        rows = [part.T.reshape(*shape[:2], -1) for part, shape in zip(parts, shapes, strict=False)]
        return [*((row[..., :-1], row[..., -1]) for row in rows), tuple(parts[-2:])]

    @pymanopt.function.jax(manifold)
    @jax.jit
    def cost(*parts: Any) -> Any:
        return jnp.sum(jax.vmap(risk, (0, None, None))(layers(parts), x, y))

    start = [
        np.concatenate([weight, bias[..., None]], axis=-1).reshape(-1, weight.shape[-1] + 1).T
        for weight, bias in hidden
    ]
    problem = pymanopt.Problem(manifold, cost)

    def steps(count: int) -> Array:
        optimizer = SteepestDescent(
            line_searcher=ConstantStep(task.step_size),
            max_iterations=count,
            max_time=np.inf,
            min_gradient_norm=0.0,
            min_step_size=0.0,
            verbosity=0,
        )
        return joined(layers(optimizer.run(problem, initial_point=[*start, *last]).point))

    steps(2)
    return lambda: steps(task.steps)
