"""Checks of what plugins return and are called: one message, no plausible number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
from support import in_process, refused

import gfcompare as gfc
from gfcompare.components.errors import ContractError
from gfcompare.diagnostics.base import RESERVED_NAMES, check_quantity
from gfcompare.hooks.announced import check_class
from gfcompare.hooks.registry import Plugin, PluginWarning, Registry
from gfcompare.integrators.contract import check_state
from gfcompare.results import schema

PROBLEM = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
P = PROBLEM.network.parameter_count
THETA = np.random.default_rng(5).normal(size=(2, P))
TIMES = [0.0, 1.0, 2.0]

Change = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class Descent(gfc.StepMethod):
    """Gradient descent that returns something made of the right theta."""

    name: ClassVar[str] = "descent"
    change: Change = lambda theta: (theta, None)
    step_size: gfc.StepSize = 0.1

    def step(self, problem: gfc.CountedProblem, theta: gfc.Array, solver_state: Any, step_size: float) -> Any:
        return self.change(theta - step_size * problem.gradient(theta))


WRONG_STEPS: dict[str, Change] = {
    "theta alone": lambda theta: theta,
    "one row": lambda theta: (theta[0], None),
    "a number": lambda theta: (float(theta.sum()), None),
    "a column": lambda theta: (theta[:, :1], None),
    "a row of the batch": lambda theta: (theta[:1], None),
    "transposed": lambda theta: (theta.T, None),
    "a list": lambda theta: (theta.tolist(), None),
    "nothing": lambda theta: None,
    "three": lambda theta: (theta, None, None),
    "a list of both": lambda theta: [theta, None],
    "single precision": lambda theta: (theta.astype(np.float32), None),
    "complex": lambda theta: (theta + 0j, None),
    "integers": lambda theta: (theta.astype(int), None),
    "objects": lambda theta: (theta.astype(object), None),
}


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("case", WRONG_STEPS)
def test_a_step_of_the_wrong_shape_is_refused(case: str, rows: int) -> None:
    if rows == 1 and case == "a row of the batch":
        return  # that is the batch
    with pytest.raises(
        ContractError, match=r"^Descent.step must return \(theta, solver_state\) with theta of shape"
    ):
        gfc.integrate(PROBLEM, Descent(WRONG_STEPS[case]), THETA[:rows], TIMES)


def test_the_message_says_what_came() -> None:
    with pytest.raises(gfc.InputError) as caught:
        gfc.integrate(PROBLEM, Descent(lambda theta: (theta[0], 3)), THETA, TIMES)
    assert str(caught.value) == (
        "Descent.step must return (theta, solver_state) with theta of shape (2, 7) and type float64, "
        "got (an array of shape (7,) and type float64, int 3)."
    )


def test_a_wrong_step_in_the_middle_is_refused_too() -> None:
    calls = []

    def later(theta: np.ndarray) -> Any:
        calls.append(1)
        return (theta, None) if len(calls) < 15 else (theta[0], None)

    with pytest.raises(ContractError):
        gfc.integrate(PROBLEM, Descent(later), THETA, TIMES)


def test_a_right_step_is_gradient_descent() -> None:
    class Wrapped:
        """An array of another library."""

        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return self.array

    right = gfc.integrate(PROBLEM, gfc.integrator("gd", step_size=0.1), THETA, TIMES)
    for change in (lambda theta: (theta, None), lambda theta: (Wrapped(theta), {})):
        found = gfc.integrate(PROBLEM, Descent(change), THETA, TIMES)
        np.testing.assert_allclose(found["risk"], right["risk"], rtol=1e-12)


def test_a_step_that_writes_into_theta_moves_no_trajectory_that_has_ended() -> None:
    @dataclass(frozen=True)
    class InPlace(gfc.StepMethod):
        name: ClassVar[str] = "in-place"
        step_size: gfc.StepSize = 0.1

        def step(self, problem: Any, theta: gfc.Array, solver_state: Any, step_size: float) -> Any:
            theta += 1.0  # whatever the gradient: also where a trajectory is stationary
            return theta, solver_state

    dead = np.zeros((1, P))
    dead[0, 2:4] = -1.0  # both neurons inactive: with the mean as output, the gradient vanishes
    start = np.concatenate([dead, THETA[:1]])
    data = gfc.integrate(PROBLEM, InPlace(), start, TIMES)
    assert data["status"].values.tolist() == [gfc.Status.STATIONARY, gfc.Status.REACHED_END]
    np.testing.assert_array_equal(data["bias_1"].values[0], np.full((3, 2), -1.0))
    np.testing.assert_allclose(data["bias_1"].values[1, -1], THETA[0, 2:4] + 20.0)


# Other functions of a method


def flow(**functions: Any) -> gfc.FlowIntegrator:
    space = {"name": "flow", "velocity": lambda self, problem, y: -problem.gradient(y)} | functions
    made: gfc.FlowIntegrator = dataclass(frozen=True)(type("Flow", (gfc.FlowIntegrator,), space))()
    return made


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        (
            {"velocity": lambda self, p, y: -1.0},
            r"Flow.velocity must return y' of shape \(7,\).*got float -1.0",
        ),
        (
            {"velocity": lambda self, p, y: -p.gradient(y)[None]},
            r"Flow.velocity .* got an array of shape \(1, 7\)",
        ),
        (
            {"velocity": lambda self, p, y: -p.gradient(y)[:1]},
            r"Flow.velocity .* got an array of shape \(1,\)",
        ),
        ({"velocity": lambda self, p, y: None}, r"Flow.velocity .* got None"),
        ({"velocity": lambda self, p, y: p.gradient(y).astype("f4")}, "Flow.velocity .* type float32"),
        (
            {"coordinates": lambda self, p, theta: theta[None]},
            r"Flow.coordinates must return y of shape \(N,\)",
        ),
        ({"parameters": lambda self, p, y: y[:3]}, r"Flow.parameters must return theta of shape \(7,\)"),
    ],
)
def test_a_flow_of_the_wrong_shape_is_refused(functions: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        gfc.integrate(PROBLEM, flow(**functions), THETA, TIMES)


def test_checking_a_flow_costs_no_counted_gradient() -> None:
    counted = gfc.integrate(PROBLEM, flow(), THETA, TIMES)["gradient_evaluations"].values
    calls = []

    def velocity(self: Any, problem: Any, y: gfc.Array) -> gfc.Array:
        calls.append(1)
        return -problem.gradient(y)

    assert (
        gfc.integrate(PROBLEM, flow(velocity=velocity), THETA, TIMES)["gradient_evaluations"] == counted
    ).all()
    assert len(calls) == counted[:, -1].sum() + 1


def test_a_block_of_the_wrong_shape_is_refused() -> None:
    def method(result: Callable[[gfc.Array], Any]) -> gfc.StepMethod:
        space = {
            "name": "block",
            "step_size": 0.1,
            "__annotations__": {"step_size": float},
            "step_block": lambda self, problem, theta, solver_state, sizes: result(theta),
        }
        made: gfc.StepMethod = dataclass(frozen=True)(type("Block", (gfc.StepMethod,), space))()
        return made

    ten = np.full(2, 10)
    for wrong in (lambda theta: theta, lambda theta: (theta, None), lambda theta: (theta[0], None, ten)):
        with pytest.raises(
            ContractError, match=r"Block.step_block must return \(theta, solver_state, taken\)"
        ):
            gfc.integrate(PROBLEM, method(wrong), THETA, TIMES)
    for taken in (10, ten[:1], ten.astype(float)):
        with pytest.raises(ContractError, match=r"Block\.step_block must return the steps taken"):
            gfc.integrate(PROBLEM, method(lambda theta, taken=taken: (theta, None, taken)), THETA, TIMES)
    data = gfc.integrate(PROBLEM, method(lambda theta: (theta, None, ten)), THETA, TIMES)
    assert data["steps"].values[:, -1].tolist() == [20, 20]


STATE = gfc.State.at(THETA)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "must return a gfcompare.State, got None"),
        (THETA, "must return a gfcompare.State, got an array"),
        (replace(STATE, theta=THETA[0]), r"must return a state with theta of shape \(2, 7\)"),
        (replace(STATE, theta=THETA.astype("f4")), "must return a state with theta"),
        (replace(STATE, time=1.0), r"must return a state with time, numbers of shape \(2,\), got float 1.0"),
        (replace(STATE, steps=np.zeros(2)), "must return a state with steps, integers"),
        (replace(STATE, status=np.array([0, 99], dtype=np.int8)), "returned a status that is none"),
        (replace(STATE, messages=("",)), "must return 2 messages"),
    ],
)
def test_a_state_that_is_none_is_refused(state: Any, message: str) -> None:
    space = {"name": "m", "advance": lambda self, problem, before, time: state}
    method = dataclass(frozen=True)(type("Method", (gfc.Integrator,), space))()
    with pytest.raises(ContractError, match=f"^Method.advance {message}"):
        gfc.integrate(PROBLEM, method, THETA, [1.0])


def test_a_trajectory_that_has_ended_stays_ended() -> None:
    ended = STATE.terminate(np.array([True, False]), gfc.Status.DIVERGED, "left")
    assert check_state(ended, STATE, "m") is ended
    with pytest.raises(ContractError, match="m returned trajectories as running that had ended"):
        check_state(STATE, ended, "m")


def test_a_study_says_it_once_and_keeps_the_rest(tmp_path: Path) -> None:
    study = gfc.Study(
        "s",
        targets={"sine": gfc.targets.Sine()},
        integrators={"gd": gfc.integrator("gd", step_size=0.1), "bad": Descent(WRONG_STEPS["one row"])},
        network=PROBLEM.network,
        times=gfc.Times(end=1.0, count=3),
        seeds=2,
    )
    with pytest.raises(
        gfc.InputError, match=r"a cell could not be computed \(sine / bad / seeds 0-1\): Descent.step"
    ):
        study.run(tmp_path, jobs=1)
    assert len(list((tmp_path / "cells").glob("*.cell"))) == 1


# ---------------------------------------------------------------------------------------------------
# Names
# ---------------------------------------------------------------------------------------------------


def quantity(name: str, **others: Any) -> type[gfc.Diagnostic]:
    space = {
        "name": name,
        "long_name": "mine",
        "units": "1",
        "compute": lambda self, problem, theta: theta[..., 0],
    }
    made: type[gfc.Diagnostic] = dataclass(frozen=True)(type("Mine", (gfc.Diagnostic,), space | others))
    return made


def test_reserved_names_are_those_of_the_schema() -> None:
    tables = (
        schema.VARIABLES,
        schema.INTERVAL_VARIABLES,
        schema.PLANE_VARIABLES,
        schema.SAMPLE_VARIABLES,
        schema.TEST_VARIABLES,
        schema.POINT_VARIABLES,
        schema.THEORY_VARIABLES,
    )
    names = {name for table in tables for name in table}
    dims = {dim for table in tables for variable in table.values() for dim in variable.dims}
    assert names | dims == RESERVED_NAMES
    network = gfc.ReLUNetwork((1, 2, 3, 1))
    layers = schema.layer_variables(network)
    for name in {*layers, *(dim for variable in layers.values() for dim in variable.dims)}:
        with pytest.raises(gfc.InputError, match="which the result file has for something else"):
            check_quantity(quantity(name))


@pytest.mark.parametrize(
    "name", ["weight_1", "steps", "time", "x", "theory_mine", "neuron_12", "my/diag", "a b", "1a", "é"]
)
def test_a_diagnostic_with_a_name_that_is_taken_or_none_is_refused(name: str) -> None:
    with pytest.raises(gfc.InputError, match=f"Mine has the name {name!r}"):
        check_class("diagnostics", quantity(name))


@pytest.mark.parametrize("name", ["mine", "weight_norm", "step", "x_3", "_private", "Risk2"])
def test_other_names_are_not(name: str, tmp_path: Path) -> None:
    check_class("diagnostics", quantity(name))
    xr.Dataset({name: 1.0}).to_netcdf(tmp_path / "file.nc")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"units": None}, "Mine has no class attribute 'units' that is text"),
        ({"long_name": 3}, "Mine has no class attribute 'long_name' that is text"),
        ({"dims": ("input", "input")}, "each once"),
        ({"dims": "input"}, "must be a tuple"),
        ({"dims": ("time",)}, "must be a tuple of input, output"),
    ],
)
def test_a_diagnostic_that_describes_no_variable_is_refused(others: dict[str, Any], message: str) -> None:
    with pytest.raises(gfc.InputError, match=message):
        check_class("diagnostics", quantity("mine", **others))


def test_names_that_are_paths_or_options_are_refused() -> None:
    for name in ("../risk", "a/b", ".hidden", "a\nb", ""):
        space = {"name": name, "step": lambda self, *others: None, "step_size": 0.1}
        method = dataclass(frozen=True)(type("Method", (gfc.StepMethod,), space))
        with pytest.raises(gfc.InputError, match="Method has"):
            check_class("integrators", method)

    @dataclass(frozen=True)
    class Optional(gfc.Initialization):
        name: str = "optional"  # type: ignore[misc]

        def parameters(self, network: gfc.ReLUNetwork, rng: np.random.Generator) -> gfc.Array:
            return np.zeros(network.parameter_count)

    with pytest.raises(gfc.InputError, match=r"write name: ClassVar\[str\] = 'optional'"):
        check_class("initializations", Optional)


def test_a_claim_that_is_none_is_refused_at_loading() -> None:
    import types

    def plugin() -> list[type[gfc.Integrator]]:
        return [type(flow(follows="standrad"))]

    module = types.ModuleType("somebodys")
    module.gfcompare_integrators = gfc.hookimpl(plugin)  # type: ignore[attr-defined]
    with pytest.warns(PluginWarning, match="follows of Flow must be 'standard', 'normalized' or None"):
        Registry().load(Plugin("theirs", "their-distribution", "1.0"), module)


DIAGNOSTIC = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np, gfcompare as gfc
@dataclass(frozen=True)
class D(gfc.Diagnostic):
    name: ClassVar[str] = "weight_1"
    long_name: ClassVar[str] = "mine"
    units: ClassVar[str] = "1"
    def compute(self, problem, theta): return np.full(theta.shape[:-1], 42.0)
@gfc.hookimpl
def gfcompare_diagnostics(): return [D]
"""


def test_the_command_refuses_before_anything_runs(study_file: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(DIAGNOSTIC)
    done = in_process("run", study_file(), "--plugin", tmp_path / "plug.py", "--output", tmp_path / "out")
    refused(done, "D has the name 'weight_1', which the result file has for something else")
    assert not (tmp_path / "out").exists()


EARLY = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np, gfcompare as gfc
@dataclass(frozen=True)
class Early(gfc.StepMethod):
    name: ClassVar[str] = "early"
    deterministic: ClassVar[bool] = False
    step_size: float = 0.01
    def initial_memory(self, problem, theta, rngs): return np.zeros_like(theta)
    def steps(self, problem, theta, memory, sizes):
        for size in sizes:
            memory = 0.9 * memory - 0.1 * problem.gradient(theta)
            theta = theta + size * memory
        return theta, memory, np.full(len(theta), len(sizes))
@dataclass(frozen=True)
class EarlyGradient(gfc.GradientMethod):
    name: ClassVar[str] = "early-gradient"
    def first_memory(self, problem, theta): return np.zeros_like(theta)
    def move(self, gradient, theta, memory, step_size):
        memory = 0.9 * memory - 0.1 * gradient(theta)
        return step_size * memory, memory
@gfc.hookimpl
def gfcompare_integrators(): return [Early, EarlyGradient]
"""


def test_names_of_early_methods_warn_for_one_release_and_work() -> None:
    names: dict[str, Any] = {"__name__": "early"}
    with pytest.warns(FutureWarning) as caught:
        exec(compile(EARLY, "early.py", "exec", dont_inherit=True), names)
    assert [str(warning.message).partition(":")[0] for warning in caught] == [
        "Early.initial_memory is called init",
        "Early.steps is called step_block",
        "EarlyGradient.first_memory is called init_update",
        "EarlyGradient.move is called update",
    ]
    assert {warning.filename for warning in caught} == {"early.py"}
    early, other = (gfc.integrate(PROBLEM, names[n](), THETA, [0.0, 0.5]) for n in ("Early", "EarlyGradient"))
    # v is -10 times what these carry: a tenth of their step size.
    expected = gfc.integrate(PROBLEM, gfc.integrator("momentum", step_size=0.001), THETA, [0.0, 0.05])
    for found in (early, other):
        np.testing.assert_allclose(gfc.parameters(found), gfc.parameters(expected), rtol=1e-12)


def test_an_option_may_be_called_what_a_function_was_called() -> None:
    @dataclass(frozen=True)
    class Option(gfc.StepMethod):
        name: ClassVar[str] = "option"
        step_size: float = 0.01
        steps: int = 3

        def step(self, problem: Any, theta: gfc.Array, solver_state: Any, step_size: float) -> Any:
            return theta - step_size * self.steps * problem.gradient(theta), None

    assert "step_block" not in vars(Option)
    assert Option(steps=2).steps == 2


SMOOTH = [
    *(
        ("standard-gf", {"method": m})
        for m in ("auto", "bdf", "adams", "dopri5", "dop853", "rkc", "explicit")
    ),
    ("normalized-gf", {}),
    ("normalized-gf", {"method": "bdf"}),
    ("modified-flow", {}),
    *((name, {}) for name in ("gd", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "implicit-euler")),
    ("adam", {"batch_size": 3}),
    ("l-bfgs", {}),
    ("torch-optim", {"optimizer": "Adam"}),
    ("optax", {"optimizer": "adam"}),
]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "options", "points"),
    [(*case, False) for case in SMOOTH]
    + [("standard-gf", {}, True), ("normalized-gf", {}, True), ("gd", {}, True), ("l-bfgs", {}, True)],
)
def test_a_state_is_a_value(name: str, options: dict[str, Any], points: bool) -> None:
    """One that has been advanced can be advanced again, there or elsewhere, to the same numbers."""
    try:
        method = gfc.integrator(name, **options)
    except gfc.InputError as error:
        if "install it" in str(error):
            pytest.skip(str(error))
        raise
    measure = gfc.measures.Uniform(0.0, 1.0)
    problem = gfc.Problem(
        gfc.ReLUNetwork((1, 3, 1)),
        gfc.targets.Sine(),
        measure.discretize(9, "quantiles") if points else measure,
    )
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(3))[None]
    theta = problem.network.normalize(theta) if method.on_manifold else theta
    counted = gfc.CountedProblem(problem, 1)
    start = method.start(counted, theta, [np.random.default_rng(0)])
    first = method.advance(counted, start, 1.0)
    kept = first.theta.copy()
    second = method.advance(counted, first, 3.0)
    branch = method.advance(counted, first, 2.0)
    np.testing.assert_array_equal(first.theta, kept)
    again = method.advance(counted, first, 3.0)
    np.testing.assert_array_equal(again.theta, second.theta)
    np.testing.assert_array_equal(again.steps, second.steps)
    np.testing.assert_array_equal(method.advance(counted, start, 1.0).theta, kept)
    third = method.advance(counted, second, 4.0)
    np.testing.assert_array_equal(method.advance(counted, again, 4.0).theta, third.theta)
    assert not np.array_equal(branch.theta, second.theta)


def test_early_names_of_a_states_attributes_warn_for_one_release() -> None:
    state = gfc.State.at(THETA, solver_state="carried")
    with pytest.warns(FutureWarning, match=r"State\.memory is called solver_state"):
        assert state.memory == "carried"
    with pytest.warns(FutureWarning, match=r"State\.moved is called replace"):
        assert state.moved(steps=state.steps + 1).steps.tolist() == [1, 1]
    with pytest.warns(FutureWarning, match=r"State\.ended is called terminate"):
        ended = state.ended(state.running, gfc.Status.DIVERGED, "far")
    assert not ended.running.any()
    with pytest.raises(AttributeError, match="has no attribute 'finished'"):
        _ = state.finished


def test_the_type_of_what_a_method_carries_may_be_given() -> None:
    @dataclass(frozen=True)
    class Typed(gfc.StepMethod[gfc.Array]):
        name: ClassVar[str] = "typed"
        step_size: float = 0.1

        def init(self, problem: Any, theta: gfc.Array, rngs: Any) -> gfc.Array:
            return np.zeros_like(theta)

        def step(self, problem: Any, theta: gfc.Array, solver_state: gfc.Array, step_size: float) -> Any:
            velocity = 0.5 * solver_state - problem.gradient(theta)
            return theta + step_size * velocity, velocity

    check_class("integrators", Typed)
    found = gfc.integrate(PROBLEM, Typed(), THETA, TIMES)
    expected = gfc.integrate(PROBLEM, gfc.integrator("momentum", beta=0.5, step_size=0.1), THETA, TIMES)
    np.testing.assert_allclose(found["risk"], expected["risk"], rtol=1e-12)


def test_where_theta_has_left_the_ball() -> None:
    assert gfc.divergence(np.array([0.6e10, 0.8e10])) == ""
    assert gfc.divergence(np.array([0.6e10, 0.81e10])) == "|theta| left 1e+10"
    assert gfc.divergence(np.array([1.0, np.inf])) == "theta is infinite"
    assert gfc.divergence(np.array([1e200, 0.0])) == "|theta| left 1e+10"
