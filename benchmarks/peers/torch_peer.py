"""PyTorch: automatic differentiation batched over the networks, optim.SGD, with or without torch.compile."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.peers.task import Array, Run, Task, joined, target

Layers = list[list[torch.Tensor]]


def parameters(task: Task) -> Layers:
    """Return weights, (M, out, in), and biases, (M, out, 1), of each layer."""
    dtype = getattr(torch, task.dtype)
    return [
        [torch.tensor(part, dtype=dtype, requires_grad=True) for part in (weight, bias[..., None])]
        for weight, bias in task.layers
    ]


def flat(layers: Layers) -> Array:
    """Return theta, shape (M, P)."""
    return joined([(weight.detach(), bias.detach()[..., 0]) for weight, bias in layers])


def realize(layers: Layers, x: torch.Tensor) -> torch.Tensor:
    """Return the networks, shape (M, K, N), at x, shape (M, d, N)."""
    for weight, bias in layers[:-1]:
        x = torch.relu(torch.baddbmm(bias, weight, x))
    return torch.baddbmm(layers[-1][1], layers[-1][0], x)


def risk(layers: Layers, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the sum of the networks' risks: each has the gradient of its own."""
    return (realize(layers, x) - y).square().sum(dim=1).mean(dim=-1).sum()


def data(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points, shape (M, d, N), and targets, shape (K, N)."""
    dtype = getattr(torch, task.dtype)
    x = torch.tensor(task.x.T, dtype=dtype).expand(len(task.theta), -1, -1)
    return x, torch.tensor(task.y.T, dtype=dtype)


def gradient(task: Task) -> Array:
    """Return the gradient of the mean over the points, shape (M, P)."""
    layers = parameters(task)
    risk(layers, *data(task)).backward()
    return joined([(weight.grad, bias.grad[..., 0]) for weight, bias in layers])


def _loop(task: Task, loss: Callable[[Layers], torch.Tensor]) -> Run:
    layers = parameters(task)
    optimizer = torch.optim.SGD([part for layer in layers for part in layer], lr=task.step_size)

    def step() -> None:
        optimizer.zero_grad()
        loss(layers).backward()
        optimizer.step()

    def run() -> Array:
        with torch.no_grad():
            for layer, first in zip(layers, parameters(task), strict=True):
                for part, start in zip(layer, first, strict=True):
                    part.copy_(start)
        for _ in range(task.steps):
            step()
        return flat(layers)

    step()
    return run


def descent(task: Task) -> Run:
    """Prepare gradient descent, or stochastic gradient descent on fresh batches."""
    if task.kind == "gd":
        x, y = data(task)
        return _loop(task, lambda layers: risk(layers, x, y))
    dtype = getattr(torch, task.dtype)
    shape = (len(task.theta), task.batch, task.widths[0])
    generator = torch.Generator().manual_seed(0)

    def loss(layers: Layers) -> torch.Tensor:
        x = torch.rand(shape, generator=generator, dtype=dtype)
        return risk(layers, x.mT, torch.stack(target(x, task.widths[-1]), dim=1))

    return _loop(task, loss)


def compiled(task: Task) -> Run:
    """Prepare gradient descent with the risk compiled."""
    x, y = data(task)
    fast = torch.compile(risk)
    return _loop(task, lambda layers: fast(layers, x, y))
