"""Errors in somebody else's code: said once, with the place in the author's file; and wrong arguments."""

from __future__ import annotations

import textwrap
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support import WATCHED, in_process, refused

import gfcompare as gfc
from gfcompare.components.errors import MethodWarning
from gfcompare.hooks.chosen_diagnostics import DiagnosticWarning
from gfcompare.study.failures import failed_everywhere, portable

NETWORK = gfc.ReLUNetwork((1, 3, 1))
PROBLEM = gfc.Problem(NETWORK, gfc.targets.Sine(), gfc.measures.Uniform())
THETA = np.random.default_rng(2).normal(size=(3, NETWORK.parameter_count))
THETA[:, 0] = [1.0, -1.0, 2.0]
TIMES = [0.0, 1.0, 2.0]
HERE = Path(__file__).read_text(encoding="utf-8").splitlines()


def line(marker: str) -> int:
    """Return the number of the line with a comment."""
    (found,) = [n for n, text in enumerate(HERE, start=1) if text.endswith(f"# {marker}")]
    return found


def wrong_shape(problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
    return problem.gradient(y[:3])  # innermost


@dataclass(frozen=True)
class Mistyped(gfc.StepMethod):
    """A name that is not there."""

    name: ClassVar[str] = "mistyped"
    step_size: gfc.StepSize = 0.1
    some: bool = False

    def step(self, problem: Any, theta: gfc.Array, solver_state: Any, step_size: float) -> Any:
        if self.some and (theta[:, 0] < 0).all():
            return theta - step_size * problem.gradient(theta), solver_state
        return theta - step_size * problm.gradient(theta), solver_state  # type: ignore[name-defined] # noqa: F821 # typo


@dataclass(frozen=True)
class Late(gfc.FlowIntegrator):
    """Raises after some time, in a function that its velocity calls."""

    name: ClassVar[str] = "late"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        if y[-1] > 1.0:
            return wrong_shape(problem, y)
        velocity = np.zeros_like(y)
        velocity[-1] = 1.0
        return velocity


def study(**methods: gfc.Integrator) -> gfc.Study:
    return gfc.Study(
        "s",
        targets={"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        integrators=methods,
        network=NETWORK,
        times=gfc.Times(end=1.0, count=3),
        seeds=2,
    )


# ---------------------------------------------------------------------------------------------------
# Where it was
# ---------------------------------------------------------------------------------------------------


def test_one_warning_names_the_line() -> None:
    with pytest.warns(MethodWarning) as caught:
        data = gfc.integrate(PROBLEM, Mistyped(), THETA, TIMES)
    (warning,) = caught
    place = f"(test_failures.py, line {line('typo')}, in step)"
    message = str(data["message"].values[0])
    assert message == f"NameError: name 'problm' is not defined {place}"
    assert str(warning.message) == (
        f"Mistyped failed on 3 of 3 trajectories: {message}. "
        'For the traceback: on_error="raise", on the command line --traceback.'
    )
    assert warning.filename == __file__
    assert (data["status"] == gfc.Status.FAILED).all()


def test_only_those_that_fail_are_counted() -> None:
    with pytest.warns(MethodWarning, match=r"^Mistyped failed on 2 of 3 trajectories: NameError"):
        data = gfc.integrate(PROBLEM, Mistyped(some=True), THETA, TIMES)
    assert data["status"].values.tolist() == [7, 1, 7]


def test_right_methods_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gfc.integrate(PROBLEM, gfc.integrator("gd", step_size=0.1), THETA, TIMES)


@pytest.mark.parametrize("method", ["bdf", "adams", "dopri5", "dop853", "rkc", "explicit"])
def test_an_error_in_a_velocity_is_at_the_authors_line_and_not_the_solvers(method: Any) -> None:
    start = THETA.copy()
    start[:, -1] = 0.0
    with pytest.warns(MethodWarning, match="Late failed on 3 of 3"):
        data = gfc.integrate(PROBLEM, Late(method=method), start, [0.0, 0.5, 3.0])
    expected = f"(test_failures.py, line {line('innermost')}, in wrong_shape)"
    for message in data["message"].values:
        assert str(message).startswith(
            "InputError: theta must have shape (..., 10) for widths [1, 3, 1], got (3,)."
        )
        assert str(message).endswith(expected)
    known = np.isfinite(data["risk"].values)
    assert known[:, 0].all()  # what was computed is kept
    assert not known[:, -1].any()
    with pytest.raises(gfc.InputError, match="got") as caught:
        gfc.integrate(PROBLEM, Late(method=method), start, [0.0, 3.0], on_error="raise")
    assert any(entry.name == "wrong_shape" for entry in caught.traceback)


def test_an_error_of_a_built_in_method_is_in_its_file() -> None:
    method = gfc.integrator("implicit-euler", step_size=1e3, max_iterations=1)
    with pytest.warns(
        MethodWarning, match=r"did not converge.*\(gfcompare_implicit_euler.py, line \d+, in _next\)"
    ):
        gfc.integrate(PROBLEM, method, THETA, [0.0, 1e4])


def test_on_error_raises_what_the_author_raised() -> None:
    with pytest.raises(NameError, match="problm"):
        gfc.integrate(PROBLEM, Mistyped(), THETA, TIMES, on_error="raise")
    with pytest.raises(gfc.InputError, match=r"on_error 'rais'\. Did you mean 'raise'\?"):
        gfc.integrate(PROBLEM, Mistyped(), THETA, TIMES, on_error="rais")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------
# Studies
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_study_warns_once_for_each_method(tmp_path: Path) -> None:
    made = study(bad=Mistyped(), worse=Mistyped(step_size=0.2), gd=gfc.integrator("gd", step_size=0.1))
    with pytest.warns(MethodWarning) as caught:
        tree = made.run(tmp_path, jobs=1)
    texts = [str(w.message) for w in caught]
    assert len(texts) == 2
    assert texts[0].startswith("the method 'bad' failed on 4 of 4 trajectories: NameError: name 'problm'")
    assert texts[1].startswith("the method 'worse' failed on 4 of 4")
    assert failed_everywhere(tree) == ["bad", "worse"]
    with pytest.warns(MethodWarning) as again:
        made.run(tmp_path, jobs=1)
    assert [str(w.message) for w in again] == texts  # the finished cells say it again


@pytest.mark.sampled
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_a_study_raises_when_the_other_cells_are_finished(tmp_path: Path, jobs: int) -> None:
    made = study(bad=Mistyped(), gd=gfc.integrator("gd", step_size=0.1))
    with pytest.warns(MethodWarning):
        made.run(tmp_path, jobs=jobs)
    assert len(list((tmp_path / "cells").glob("*.cell"))) == 4
    for folder in (tmp_path, tmp_path / "fresh"):  # where it was recorded before, too
        with pytest.raises(NameError, match="problm") as caught:
            made.run(folder, jobs=jobs, on_error="raise")
        (note,) = caught.value.__notes__
        assert note.startswith("In sine / bad / seeds 0-1. The finished cells are kept in")
    assert len(list((tmp_path / "fresh" / "cells").glob("*.cell"))) == 2


class StubbornError(Exception):
    """An error that cannot be made from its text, and holds what cannot be sent."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.lock = threading.Lock()


def test_an_error_that_cannot_be_sent_is_sent_as_text() -> None:
    assert isinstance(portable(NameError("x")), NameError)
    try:
        raise StubbornError(1, 2)
    except StubbornError as error:
        sent = portable(error)
    assert "StubbornError: 1 and 2" in str(sent)
    assert "test_an_error_that_cannot_be_sent_is_sent_as_text" in str(sent)


@dataclass(frozen=True)
class Off(gfc.Diagnostic):
    """Raises, in a worker process too."""

    name: ClassVar[str] = "off"
    long_name: ClassVar[str] = "off"
    units: ClassVar[str] = "1"

    def compute(self, problem: gfc.Problem, theta: gfc.Array) -> gfc.Array:
        raise IndexError("off by one")


DIAGNOSTIC = textwrap.dedent("""\
    from dataclasses import dataclass
    from typing import ClassVar
    import gfcompare as gfc


    @dataclass(frozen=True)
    class Off(gfc.Diagnostic):
        name: ClassVar[str] = "off"
        long_name: ClassVar[str] = "off"
        units: ClassVar[str] = "1"

        def compute(self, problem, theta):
            raise IndexError("off by one")


    @gfc.hookimpl
    def gfcompare_diagnostics():
        return [Off]
""")


@pytest.mark.sampled
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_diagnostic_that_raises_is_said_wherever_it_was_computed(
    study_file: Callable[..., Path], tmp_path: Path, jobs: int
) -> None:
    (tmp_path / "off.py").write_text(DIAGNOSTIC)
    path = study_file(("step_size = 0.1", "step_size = [0.1, 0.2]"))
    done = in_process(
        "run",
        path,
        "--plugin",
        tmp_path / "off.py",
        "--jobs",
        jobs,
        "--no-figures",
        "--output",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("IndexError: off by one") == 1, done.stderr
    assert issubclass(DiagnosticWarning, UserWarning)


# ---------------------------------------------------------------------------------------------------
# The command line
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_exit_codes(study_file: Callable[..., Path], tmp_path: Path) -> None:
    plugin = tmp_path / "watched.py"
    plugin.write_text(WATCHED)

    def run(act: str, *more: str) -> Any:
        path = study_file(
            ("[integrators.gd]\nstep_size = 0.1", f'[integrators.gd]\n[integrators.watched]\nact = "{act}"')
        )
        output = tmp_path / act.replace(" ", "-")
        return in_process(
            "run", path, "--plugin", plugin, "--jobs", 1, "--no-figures", "--output", output, *more
        )

    number = WATCHED.splitlines().index('            raise ArithmeticError("deliberately wrong")') + 1
    done = run("raise")
    assert done.returncode == 1
    assert f"ArithmeticError: deliberately wrong (watched.py, line {number}, in step)" in done.stderr
    assert "error: 'watched' failed on every trajectory (--traceback shows where)." in done.stderr
    assert "result " in done.stdout  # all is computed, stored and printed
    assert (tmp_path / "raise" / "result.nc").exists()
    traced = run("raise", "--traceback")
    assert traced.returncode == 1
    assert "Traceback (most recent call last)" in traced.stderr
    assert f'watched.py", line {number}, in step' in traced.stderr
    assert traced.stderr.rstrip().splitlines()[-2] == "ArithmeticError: deliberately wrong"
    assert run("").returncode == 0
    assert run("", "--traceback").returncode == 0


def test_a_wrong_study_is_no_traceback(study_file: Callable[..., Path]) -> None:
    refused(in_process("run", study_file(("sine", "sinus")), "--traceback"), "unknown target 'sinus'")


# ---------------------------------------------------------------------------------------------------
# Something else in the place of an argument
# ---------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
GD = gfc.integrator("gd", step_size=0.1)
SINE = gfc.targets.Sine()
MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "a class for a method": (
        lambda: gfc.integrate(PROBLEM, Late, THETA, TIMES),  # type: ignore[arg-type]
        "a method must be a gfcompare.Integrator, got the class Late; write Late(...).",
    ),
    "text for a method": (
        lambda: gfc.integrate(PROBLEM, "gd", THETA, TIMES),  # type: ignore[arg-type]
        "a method must be a gfcompare.Integrator, got 'gd'; write gfcompare.integrator('gd').",
    ),
    "a network for a problem": (
        lambda: gfc.integrate(NETWORK, GD, THETA, TIMES),  # type: ignore[arg-type]
        "the problem must be a gfcompare.Problem, got ReLUNetwork(widths=(1, 3, 1)).",
    ),
    "text for times": (
        lambda: gfc.integrate(PROBLEM, GD, THETA, "late"),  # type: ignore[arg-type]
        "save times must be a list of finite numbers, got 'late'.",
    ),
    "text for a seed": (
        lambda: gfc.integrate(PROBLEM, GD, THETA, TIMES, seed="a"),  # type: ignore[arg-type]
        "seed must be a whole number, got 'a'.",
    ),
    "a function for a target": (
        lambda: gfc.Problem(NETWORK, np.sin, gfc.measures.Uniform()),  # type: ignore[arg-type]
        "the target must be a gfcompare.Target, got <ufunc 'sin'>; write gfcompare.targets.Function(sin).",
    ),
    "a class for a target": (
        lambda: gfc.Problem(NETWORK, gfc.targets.Sine, gfc.measures.Uniform()),  # type: ignore[arg-type]
        "the target must be a gfcompare.Target, got the class Sine; write Sine(...).",
    ),
    "an interval for a measure": (
        lambda: gfc.Problem(NETWORK, SINE, (0, 1)),  # type: ignore[arg-type]
        "the measure must be a gfcompare.Measure, got (0, 1).",
    ),
    "widths for a network": (
        lambda: gfc.Problem((1, 3, 1), SINE, gfc.measures.Uniform()),  # type: ignore[arg-type]
        "the network must be a gfcompare.ReLUNetwork, got (1, 3, 1); write gfcompare.ReLUNetwork((1, 3, 1)).",
    ),
    "nodes for a quadrature": (
        lambda: gfc.Problem(NETWORK, SINE, gfc.measures.Uniform(), 64),  # type: ignore[arg-type]
        "the quadrature must be a gfcompare.Quadrature, got 64.",
    ),
    "a seed for a generator": (
        lambda: gfc.initializations.He().draw(NETWORK, 0),  # type: ignore[arg-type]
        "rng must be a numpy.random.Generator, got 0; write numpy.random.default_rng(0).",
    ),
    "a seed for a generator, on M": (
        lambda: gfc.initializations.Sphere().draw(NETWORK, 3),  # type: ignore[arg-type]
        "rng must be a numpy.random.Generator, got 3; write numpy.random.default_rng(3).",
    ),
    "a seed for a generator of points": (
        lambda: PROBLEM.sample_gradient(THETA, 4, 0),  # type: ignore[arg-type]
        "rng must be a numpy.random.Generator, got 0; write numpy.random.default_rng(0).",
    ),
    "widths to draw for": (
        lambda: gfc.initializations.He().draw([1, 3, 1], RNG),  # type: ignore[arg-type]
        "the network must be a gfcompare.ReLUNetwork, got [1, 3, 1]; write gfcompare.ReLUNetwork((1, 3, 1)).",
    ),
    "text for a scale": (lambda: gfc.initializations.He(scale="a"), "scale must be a number, got 'a'."),  # type: ignore[arg-type]
    "a class for a name": (
        lambda: gfc.integrator(Late),  # type: ignore[arg-type]
        "the name of a method must be text, such as 'gd', got <class 'test_failures.Late'>.",
    ),
    "a path for a result": (
        lambda: gfc.validate("out"),  # type: ignore[arg-type]
        "a result must be a xarray.DataTree, got 'out'; write gfcompare.open_study('out').",
    ),
    "a path for a result to draw": (
        lambda: gfc.figures.risk("out"),  # type: ignore[arg-type]
        "a result must be a xarray.DataTree, got 'out'; write gfcompare.open_study('out').",
    ),
    "a path for a result to verify": (
        lambda: gfc.theory.verify(Path("out")),  # type: ignore[arg-type]
        "a result must be a xarray.DataTree, got PosixPath('out'); write gfcompare.open_study('out').",
    ),
    "a path for a result to count": (
        lambda: gfc.statistics.tables("out"),  # type: ignore[arg-type]
        "a result must be a xarray.DataTree, got 'out'; write gfcompare.open_study('out').",
    ),
    "a number for a path": (lambda: gfc.open_study(3), "a result is opened by its path, got 3."),  # type: ignore[arg-type]
    "text among the methods of a study": (
        lambda: study(gd="gd"),  # type: ignore[arg-type]
        "integrators.gd must be a gfcompare.Integrator or a list of them, got 'gd'; "
        "write gfcompare.integrator('gd').",
    ),
    "a class among the methods of a study": (
        lambda: study(late=Late),  # type: ignore[arg-type]
        "integrators.late must be a gfcompare.Integrator or a list of them, got the class Late; "
        "write Late(...).",
    ),
    "a function among the targets of a study": (
        lambda: gfc.Study("s", targets={"f": np.cos}, integrators={"gd": GD}),  # type: ignore[dict-item]
        "targets.f must be a gfcompare.Target or a list of them, got <ufunc 'cos'>; "
        "write gfcompare.targets.Function(cos).",
    ),
    "widths as the network of a study": (
        lambda: gfc.Study("s", targets={"f": SINE}, integrators={"gd": GD}, network=(1, 3, 1)),  # type: ignore[arg-type]
        "network must be a gfcompare.ReLUNetwork or a list of them, got (1, 3, 1); "
        "write gfcompare.ReLUNetwork((1, 3, 1)).",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_have_a_message(case: str) -> None:
    call, message = MISTAKES[case]
    with pytest.raises(gfc.InputError) as caught:
        call()
    assert str(caught.value) == message


def test_an_initialisation_that_draws_no_numbers_is_refused() -> None:
    @dataclass(frozen=True)
    class Nothing(gfc.Initialization):
        """Draws what is no number."""

        name: ClassVar[str] = "nothing"

        def parameters(self, network: gfc.ReLUNetwork, rng: np.random.Generator) -> gfc.Array:
            return np.full(network.parameter_count, np.nan)

    made = gfc.Study("s", targets={"f": SINE}, integrators={"gd": GD}, initialization=Nothing())
    with pytest.raises(gfc.InputError, match="the initialisation 'nothing' must draw finite numbers"):
        made.problems[0].initial(0, 0)
