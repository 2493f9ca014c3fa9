"""geoopt: Riemannian SGD with the hidden rows on spheres."""

from __future__ import annotations

import geoopt
import torch

from benchmarks.peers.task import Array, Run, Task
from benchmarks.peers.torch_peer import Layers, data, flat, gradient, parameters, risk

__all__ = ["descent", "gradient"]


def descent(task: Task) -> Run:
    """Prepare normalised gradient descent; the retraction of geoopt's sphere is the normalisation."""
    x, y = data(task)
    first = parameters(task)
    rows = [torch.cat(layer, dim=-1).detach() for layer in first[:-1]]
    spheres = [geoopt.ManifoldParameter(row.clone(), manifold=geoopt.Sphere()) for row in rows]
    last = [torch.nn.Parameter(part.detach().clone()) for part in first[-1]]
    optimizer = geoopt.optim.RiemannianSGD([*spheres, *last], lr=task.step_size)

    def layers() -> Layers:
        return [*([row[..., :-1], row[..., -1:]] for row in spheres), last]

    def step() -> None:
        optimizer.zero_grad()
        risk(layers(), x, y).backward()
        optimizer.step()

    def run() -> Array:
        with torch.no_grad():
            for part, start in zip([*spheres, *last], [*rows, *first[-1]], strict=True):
                part.copy_(start)
        for _ in range(task.steps):
            step()
        return flat(layers())

    step()
    return run
