"""Any optimiser of torch.optim, on gfcompare's gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import gfcompare as gfc
from gfcompare.integrators.adapters import chosen, library
from gfcompare.integrators.gradient_methods import GradientMethod
from gfcompare.integrators.schedules import step_sizes


@dataclass(frozen=True)
class TorchOptim(GradientMethod):
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
        optim = library("torch", "torch").optim
        kinds = {n: c for n, c in vars(optim).items() if isinstance(c, type) and c is not optim.Optimizer}
        chosen("torch.optim", self.optimizer, self.keywords or {}, kinds, ("params", "lr"))
        try:  # a step with one neuron, so that what is wrong is said now
            self._run(gfc.ReLUNetwork((1, 1, 1)), np.zeros(4))[2].step()
        except (TypeError, ValueError, RuntimeError) as error:
            raise gfc.InputError(f"torch.optim.{self.optimizer}: {error}") from None

    def _run(self, network: gfc.ReLUNetwork, theta: gfc.Array) -> tuple[gfc.Array, gfc.Array, Any]:
        """Return theta and gradient, both (P,), and an optimiser whose tensors are views of them."""
        torch = library("torch", "torch")
        values, slopes = theta.copy(), np.zeros_like(theta)
        tensors = []
        for value, slope in zip(network.layers(values), network.layers(slopes), strict=True):
            for array, derivative in ((value.weight, slope.weight), (value.bias, slope.bias)):
                tensor = torch.nn.Parameter(torch.from_numpy(array))
                tensor.grad = torch.from_numpy(derivative)
                tensors.append(tensor)
        first = float(step_sizes(self.step_size, 0, 1)[0])
        return values, slopes, getattr(torch.optim, self.optimizer)(tensors, lr=first, **self.keywords or {})

    def first_memory(self, problem: gfc.CountedProblem, theta: gfc.Array) -> Any:
        """Return an optimiser for each trajectory, with its arrays."""
        return [self._run(problem.network, row) for row in theta]

    def move(
        self, gradient: Callable[[gfc.Array], gfc.Array], theta: gfc.Array, memory: Any, step_size: float
    ) -> tuple[gfc.Array, Any]:
        """Return the moves that the optimisers make, and the optimisers."""
        result = np.empty_like(theta)
        for m, (slope, (values, slopes, optimizer)) in enumerate(zip(gradient(theta), memory, strict=True)):
            values[:], slopes[:] = theta[m], slope
            for group in optimizer.param_groups:
                group["lr"] = step_size
            optimizer.step()
            result[m] = values
        return result - theta, memory


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [TorchOptim]
