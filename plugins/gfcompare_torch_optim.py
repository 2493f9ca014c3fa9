"""Any optimiser of torch.optim, on gfcompare's gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

import gfcompare as gfc


@dataclass(frozen=True)
class TorchOptim(gfc.GradientMethod["_TorchState"]):
    """Any optimiser of torch.optim, by its name there, on gfcompare's gradients in float64.

    One gradient a step and about 0.1 ms for each trajectory, which has an optimiser of its own. Weight and
    bias of each layer are its tensors, the step size is its learning rate. It needs PyTorch: python -m pip
    install "gfcompare[torch]". LBFGS, which asks for more than gradients, is there as the method l-bfgs.
    https://docs.pytorch.org/docs/stable/optim.html

    Parameters
    ----------
    optimizer : name of a class in torch.optim
    keywords : its other arguments, such as betas = [0.9, 0.99] or nesterov = true

    The other options are those of `GradientMethod`.
    """

    name: ClassVar[str] = "torch-optim"
    libraries: ClassVar[tuple[str, ...]] = ("torch",)
    optimizer: str = "Adam"
    keywords: Mapping[str, bool | int | float | str | Sequence[float]] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        optim = _torch().optim
        kinds = {n: c for n, c in vars(optim).items() if isinstance(c, type) and c is not optim.Optimizer}
        gfc.check_optimizer("torch.optim", self.optimizer, self.keywords or {}, kinds, ("params", "lr"))
        try:  # a step with one neuron, so that what is wrong is said now
            self._run(gfc.ReLUNetwork((1, 1, 1)), np.zeros(4), 1.0).optimizer.step()
        except (TypeError, ValueError, RuntimeError) as error:
            raise gfc.InputError(f"torch.optim.{self.optimizer}: {error}") from None

    def _run(self, network: gfc.ReLUNetwork, theta: gfc.Array, step_size: float) -> _Run:
        """Return an optimiser at theta, shape (P,)."""
        make = getattr(_torch().optim, self.optimizer)
        return _Run(network, theta, partial(make, lr=step_size, **self.keywords or {}))

    def init_update(self, problem: gfc.CountedProblem, theta: gfc.Array) -> _TorchState:
        """Return the network; each trajectory gets its optimiser at the first step, which has the rate."""
        return problem.network, None

    def update(
        self,
        gradient: Callable[[gfc.Array], gfc.Array],
        theta: gfc.Array,
        solver_state: _TorchState,
        step_size: float,
    ) -> tuple[gfc.Array, _TorchState]:
        """Return the moves that the optimisers make, and the optimisers."""
        network, runs = solver_state
        runs = [self._run(network, row, step_size) for row in theta] if runs is None else runs
        result = np.empty_like(theta)
        for m, (gradient_m, run) in enumerate(zip(gradient(theta), runs, strict=True)):
            run.values[:], run.gradients[:] = theta[m], gradient_m
            for group in run.optimizer.param_groups:
                group["lr"] = step_size
            run.optimizer.step()
            result[m] = run.values
        return result - theta, (network, runs)


class _Run:
    """An optimiser whose tensors are views of `values`, and their gradients of `gradients`, shape (P,)."""

    def __init__(self, network: gfc.ReLUNetwork, theta: gfc.Array, make: Callable[[list[Any]], Any]) -> None:
        torch = _torch()
        self._network, self._make = network, make
        self.values, self.gradients = theta.copy(), np.zeros_like(theta)
        tensors = []
        layers = zip(network.layers(self.values), network.layers(self.gradients), strict=True)
        for value, derivative in layers:
            for array, slope in ((value.weight, derivative.weight), (value.bias, derivative.bias)):
                tensor = torch.nn.Parameter(torch.from_numpy(array))
                tensor.grad = torch.from_numpy(slope)
                tensors.append(tensor)
        self.optimizer = make(tensors)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Run:
        """Return a copy with views of its own arrays: a state of a trajectory is a value."""
        copied = _Run(self._network, self.values, self._make)
        copied.optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        return copied


#: The network, and the optimiser of each trajectory, None before the first step.
_TorchState = tuple[gfc.ReLUNetwork, list[_Run] | None]


def _torch() -> Any:
    return gfc.import_library("torch", "gfcompare[torch]")


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [TorchOptim]
