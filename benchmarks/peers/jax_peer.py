"""JAX: grad, vmap or map over the networks, one jit around all steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.task import Array, Run, Task, joined, target

jax.config.update("jax_enable_x64", True)


def parameters(task: Task) -> Any:
    """Return weights, (M, out, in), and biases, (M, out), of each layer."""
    return jax.tree.map(lambda part: jnp.asarray(part, task.dtype), task.layers)


def realize(layers: Any, x: Any) -> Any:
    """Return the network, shape (K, N), at x, shape (d, N)."""
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(weight @ x + bias[:, None])
    weight, bias = layers[-1]
    return weight @ x + bias[:, None]


def risk(layers: Any, x: Any, y: Any) -> Any:
    """Return the mean of |N - y|^2 over the points."""
    return jnp.mean(jnp.sum((realize(layers, x) - y) ** 2, axis=0))


def data(task: Task) -> tuple[Any, Any]:
    """Return points, shape (d, N), and targets, shape (K, N)."""
    return jnp.asarray(task.x.T, task.dtype), jnp.asarray(task.y.T, task.dtype)


def projected(layers: Any, gradient: Any) -> Any:
    """Remove from the gradient of each hidden row its component along the row, of norm 1."""
    result = []
    for (weight, bias), (g_weight, g_bias) in zip(layers[:-1], gradient[:-1], strict=True):
        radial = jnp.sum(weight * g_weight, axis=-1) + bias * g_bias
        result.append((g_weight - radial[..., None] * weight, g_bias - radial * bias))
    return [*result, gradient[-1]]


def retracted(layers: Any) -> Any:
    """Divide each hidden row by its norm."""
    result = []
    for weight, bias in layers[:-1]:
        norm = jnp.sqrt(jnp.sum(weight**2, axis=-1) + bias**2)
        result.append((weight / norm[..., None], bias / norm))
    return [*result, layers[-1]]


def gradient(task: Task) -> Array:
    """Return the gradient of the mean over the points, shape (M, P)."""
    ensemble = jax.jit(jax.vmap(jax.grad(risk), (0, None, None)))
    return joined(ensemble(parameters(task), *data(task)))


def _compiled(function: Callable[..., Any], *arguments: Any) -> Run:
    """Compile without running."""
    fast = jax.jit(function).lower(*arguments).compile()
    return lambda: joined(jax.block_until_ready(fast(*arguments)))


def _step(task: Task) -> Callable[[Any], Any]:
    """Return a step of gradient descent, normalised or not, of one network."""
    x, y = data(task)

    def step(layers: Any) -> Any:
        direction = jax.grad(risk)(layers, x, y)
        if task.normalized:
            direction = projected(layers, direction)
        layers = jax.tree.map(lambda part, g: part - task.step_size * g, layers, direction)
        return retracted(layers) if task.normalized else layers

    return step


def _stochastic_step(task: Task) -> Callable[[Any, Any], Any]:
    """Return a step of stochastic gradient descent on a fresh batch, of one network."""

    def step(layers: Any, key: Any) -> Any:
        x = jax.random.uniform(key, (task.batch, task.widths[0]), task.dtype)
        y = jnp.stack(target(x, task.widths[-1]))
        direction = jax.grad(risk)(layers, x.T, y)
        return jax.tree.map(lambda part, g: part - task.step_size * g, layers, direction)

    return step


def descent(task: Task) -> Run:
    """Prepare (stochastic, normalised) gradient descent with `vmap`: all networks take a step together."""
    if task.kind == "sgd":
        stochastic = jax.vmap(_stochastic_step(task))
        folded = jax.vmap(jax.random.fold_in, (0, None))

        def run_sampled(layers: Any, keys: Any) -> Any:
            return jax.lax.fori_loop(0, task.steps, lambda n, p: stochastic(p, folded(keys, n)), layers)

        return _compiled(run_sampled, parameters(task), _keys(task))
    step = jax.vmap(_step(task))

    def run(layers: Any) -> Any:
        return jax.lax.fori_loop(0, task.steps, lambda _, part: step(part), layers)

    return _compiled(run, parameters(task))


def mapped(task: Task) -> Run:
    """Prepare the same with `lax.map`: one network after the other, whose arrays then stay in the cache."""
    if task.kind == "sgd":
        stochastic = _stochastic_step(task)

        def one_sampled(given: Any) -> Any:
            layers, key = given
            fold = jax.random.fold_in
            return jax.lax.fori_loop(0, task.steps, lambda n, p: stochastic(p, fold(key, n)), layers)

        return _compiled(lambda *given: jax.lax.map(one_sampled, given), parameters(task), _keys(task))
    step = _step(task)

    def one(layers: Any) -> Any:
        return jax.lax.fori_loop(0, task.steps, lambda _, part: step(part), layers)

    return _compiled(lambda layers: jax.lax.map(one, layers), parameters(task))


def _keys(task: Task) -> Any:
    return jax.random.split(jax.random.key(0), len(task.theta))


def velocity(task: Task) -> Callable[[Any], Any]:
    """Return the right-hand side of the flow of one network."""
    x, y = data(task)

    def moves(layers: Any) -> Any:
        g = jax.grad(risk)(layers, x, y)
        return jax.tree.map(jnp.negative, projected(layers, g) if task.normalized else g)

    return moves


def solved(task: Task, solve: Callable[[Any], tuple[Any, Any]]) -> Run:
    """Compile a solver of one network, which returns the end and whether it got there, for all of them."""
    layers = parameters(task)
    fast = jax.jit(jax.vmap(solve)).lower(layers).compile()

    def run() -> Array:
        end, arrived = jax.block_until_ready(fast(layers))
        if not np.all(arrived):
            raise RuntimeError(f"the solver gave up on {np.sum(~np.asarray(arrived))} networks")
        return joined(end)

    return run
