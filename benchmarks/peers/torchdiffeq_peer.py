"""torchdiffeq: odeint with dopri5, all networks in one state."""

from __future__ import annotations

import torch
from torchdiffeq import odeint

from benchmarks.peers.task import Array, Run, Task
from benchmarks.peers.torch_peer import Layers, data, flat, gradient, parameters, risk

__all__ = ["flow", "gradient"]


def _projected(layers: Layers, gradients: Layers) -> Layers:
    """Remove from the gradient of each hidden row its component along the row, of norm 1."""
    result = []
    for (weight, bias), (g_weight, g_bias) in zip(layers[:-1], gradients[:-1], strict=True):
        radial = (weight * g_weight).sum(dim=-1, keepdim=True) + bias * g_bias
        result.append([g_weight - radial * weight, g_bias - radial * bias])
    return [*result, gradients[-1]]


def _pairs(parts: list[torch.Tensor] | tuple[torch.Tensor, ...]) -> Layers:
    return [list(parts[k : k + 2]) for k in range(0, len(parts), 2)]


def flow(task: Task) -> Run:
    """Prepare the flow."""
    x, y = data(task)
    start = tuple(part.detach() for layer in parameters(task) for part in layer)

    def velocity(t: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        with torch.enable_grad():
            parts = [part.detach().requires_grad_() for part in state]
            found = _pairs(torch.autograd.grad(risk(_pairs(parts), x, y), parts))
        if task.normalized:
            found = _projected(_pairs(state), found)
        return tuple(-part for layer in found for part in layer)

    def run() -> Array:
        times = torch.tensor([0.0, task.end], dtype=start[0].dtype)
        with torch.no_grad():
            ends = odeint(velocity, start, times, rtol=task.rtol, atol=task.atol, method="dopri5")
        return flat(_pairs([part[-1] for part in ends]))

    velocity(torch.zeros(()), start)
    return run
