"""A study script with one's own target and one's own method.

    python studies/own_target.py

The target is any Python function of an array; the method is a subclass of `StepMethod` that writes `step`.
Results and figures go to results/own_target; a run that is stopped goes on where it was.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import gfcompare as gfc


def bump(x):
    """A smooth bump beside a kink."""
    return np.exp(-50 * (x - 0.3) ** 2) + np.maximum(x - 0.6, 0)


@dataclass(frozen=True)
class HeavyBall(gfc.StepMethod):
    """Gradient descent with momentum (Polyak, doi:10.1016/0041-5553(64)90137-5)."""

    name: ClassVar[str] = "heavy-ball"
    deterministic: ClassVar[bool] = False  # it has momentum: where the gradient vanishes, it goes on
    step_size: float = 0.01
    momentum: float = 0.9

    def init(self, problem, theta, rngs):
        return np.zeros_like(theta)

    def step(self, problem, theta, solver_state, step_size):
        # With momentum m a step goes 1 / (1 - m) times as far: scaled so that flow time means the same.
        velocity = self.momentum * solver_state - (1 - self.momentum) * problem.gradient(theta)
        return theta + step_size * velocity, velocity


study = gfc.Study(
    name="own_target",
    description="A target and a method defined in a script.",
    targets={"bump": gfc.targets.Function(bump)},
    integrators={
        "standard-gf": gfc.integrator("standard-gf"),
        "gd": gfc.integrator("gd", step_size=0.02),
        "heavy-ball": HeavyBall(step_size=0.02),
    },
    network=gfc.ReLUNetwork((1, 16, 1)),
    times=gfc.Times(spacing="log", start=0.1, end=100.0, count=31),
    seeds=16,
    seed=7,
)

tree = study.run("results/own_target")
print(tree["bump"]["risk"].isel(time=-1).median("seed", skipna=False).to_series())
for path in gfc.figures.save_all(tree, "results/own_target/figures", formats=("png",)):
    print(path)
