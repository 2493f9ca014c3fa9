"""Any optimiser of optax, on gfcompare's gradients."""

from __future__ import annotations

import functools
import inspect
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import gfcompare as gfc

#: Widths of the network, and the state of each trajectory, None before the first step.
_OptaxState = tuple[tuple[int, ...], list[Any] | None]


@dataclass(frozen=True)
class Optax(gfc.GradientMethod[_OptaxState]):
    """Any optimiser of optax, by its name there, on gfcompare's gradients in float64.

    One gradient a step and about 0.1 ms for each trajectory, which has a state of its own. Weight and bias of
    each layer are its arrays, the step size is its learning rate. It needs JAX and optax: python -m pip
    install "gfcompare[jax]". lbfgs, which asks for more than gradients, is there as the method l-bfgs.
    https://optax.readthedocs.io/en/latest/api/optimizers.html

    Parameters
    ----------
    optimizer : name of a function in optax that takes a learning rate, and no key
    keywords : its other arguments, such as b1 = 0.8 or nesterov = true

    The other options are those of `GradientMethod`.
    """

    name: ClassVar[str] = "optax"
    libraries: ClassVar[tuple[str, ...]] = ("jax", "jaxlib", "optax")
    optimizer: str = "adam"
    keywords: Mapping[str, bool | int | float | str | Sequence[float]] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        jax, optax = _library("jax"), _library("optax")
        hidden = ("_", "scale_by")  # the second are parts of optimisers
        functions = {
            n: f for n, f in vars(optax).items() if inspect.isfunction(f) and not n.startswith(hidden)
        }
        takes = {n: inspect.signature(f).parameters for n, f in functions.items()}
        kinds = {n: f for n, f in functions.items() if "learning_rate" in takes[n] and "key" not in takes[n]}
        gfc.check_optimizer("optax", self.optimizer, self.keywords or {}, kinds, ("learning_rate",))
        try:  # a step with one neuron, so that what is wrong is said now
            init, update = self._functions((1, 1, 1))
            with _double(jax):
                state = jax.eval_shape(init, 1.0, np.zeros(4))
                jax.eval_shape(update, 1.0, np.zeros(4), state, np.zeros(4))
        except (TypeError, ValueError, AttributeError) as error:
            raise gfc.InputError(f"optax.{self.optimizer}: {error}") from None

    def _functions(self, widths: tuple[int, ...]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        return _compiled(self.optimizer, json.dumps(dict(self.keywords or {}), sort_keys=True), widths)

    def init_update(self, problem: gfc.CountedProblem, theta: gfc.Array) -> _OptaxState:
        """Return the widths of the network; optax makes its states at the first step, which has the rate."""
        return problem.network.widths, None

    def update(
        self,
        gradient: Callable[[gfc.Array], gfc.Array],
        theta: gfc.Array,
        solver_state: _OptaxState,
        step_size: float,
    ) -> tuple[gfc.Array, _OptaxState]:
        """Return the moves of all trajectories, and their states."""
        widths, states = solver_state
        init, update = self._functions(widths)
        gradients, rate = gradient(theta), np.float64(step_size)
        with _double(_library("jax")):
            states = [init(rate, row) for row in theta] if states is None else states
            made = [update(rate, *row) for row in zip(gradients, states, theta, strict=True)]
        return np.array([move for move, _ in made]), (widths, [state for _, state in made])


def _library(name: str) -> Any:
    return gfc.import_library(name, "gfcompare[jax]")


def _double(jax: Any) -> Any:
    """Return a context in which JAX has float64."""
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()


@functools.cache
def _compiled(
    optimizer: str, keywords: str, widths: tuple[int, ...]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return (rate, theta) -> state and (rate, gradient, state, theta) -> (move, state), on flat arrays."""
    jax = _library("jax")
    make = functools.partial(getattr(_library("optax"), optimizer), **json.loads(keywords))
    shapes = [s for before, after in itertools.pairwise(widths) for s in ((after, before), (after,))]
    ends = np.cumsum([np.prod(shape) for shape in shapes]).tolist()

    def arrays(flat: Any) -> list[Any]:
        starts = [0, *ends[:-1]]
        return [flat[a:b].reshape(s) for a, b, s in zip(starts, ends, shapes, strict=True)]

    def init(rate: Any, theta: Any) -> Any:
        return make(learning_rate=rate).init(arrays(theta))

    def update(rate: Any, slope: Any, state: Any, theta: Any) -> tuple[Any, Any]:
        moves, state = make(learning_rate=rate).update(arrays(slope), state, arrays(theta))
        return jax.numpy.concatenate([move.ravel() for move in moves]), state

    return jax.jit(init), jax.jit(update)


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [Optax]
