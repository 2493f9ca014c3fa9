"""Compiling and loading kernels before any clock or worker starts."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.solvers.ndf import load_kernels
from gfcompare.kernels.cache import is_cold, is_kept
from gfcompare.measures import Uniform
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.study.cells import Cell
from gfcompare.study.run_progress import Progress
from gfcompare.system import threads
from gfcompare.targets import Constant


def warm_up(todo: Sequence[Cell], shown: Progress) -> None:
    """Compile the kernels, or load them from the cache, before any clock or worker starts."""
    began = time.perf_counter()
    once = (
        "once per machine" if is_kept() else "in every process: no folder can be written, see NUMBA_CACHE_DIR"
    )
    shown.note(f"loading the compiled kernels (compiling them takes some seconds, {once})")
    shallow = [cell for cell in todo if cell.problem.problem.evaluation.name == "shallow-line"]
    if shallow and is_cold() and threads.available_cores() > 1:
        flow = any(_is_compiled_flow(cell) for cell in shallow)
        with _compiled_meanwhile(flow):
            _load_half(shallow[0].problem.problem, flow)
    for cell in todo:
        load_kernels_of(cell)
    shown.note(f"kernels ready after {time.perf_counter() - began:.1f} s")


def _is_compiled_flow(cell: Cell) -> bool:
    """Return whether a cell is integrated by a flow in compiled code."""
    method, problem = cell.integrator, cell.problem.problem
    return isinstance(method, FlowIntegrator) and method.method_for(CountedProblem(problem, 1)) == "ndf"


@contextmanager
def _compiled_meanwhile(flow: bool) -> Iterator[None]:
    """Compile half of what networks with one input and one hidden layer need in a process of its own.

    It is then in the cache. If that fails, for whatever reason, it is compiled when it is called.
    """
    command = [
        sys.executable,
        "-P",
        "-c",
        f"from gfcompare.study.warm_up import compile_half; compile_half({flow})",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
            process.wait()
        finally:
            process.kill()


def _load_half(problem: Problem, flow: bool) -> None:
    """Call the kernels that `compile_half` does not, in the time that it takes.

    What has much in common is on one side: the direct linear algebra of a flow, the Hessian and the gradient.
    """
    if flow:
        origin = np.zeros(problem.network.parameter_count)
        problem.gradient(origin)
        problem.hessian(origin)
        load_kernels(CountedProblem(problem, 1), dense=True)
    else:
        _load_descent(problem)


def compile_half(flow: bool) -> None:
    """Compile the risk and, if wanted, GMRES for flows and descent of networks with one hidden layer."""
    problem = Problem(ReLUNetwork((1, 1, 1)), Constant(), Uniform())
    problem.risk(np.zeros(4))
    if flow:
        load_kernels(CountedProblem(problem, 1), dense=False)
        _load_descent(problem)


def _load_solver(integrator: FlowIntegrator, problem: Problem) -> None:
    """Import or load what integrates a flow."""
    method = integrator.method_for(CountedProblem(problem, 1))
    if method in ("bdf", "adams"):
        importlib.import_module("sksundae.cvode")
    elif method == "ndf" and (loaded := f"{method}, {problem.kind}") not in _loaded:
        origin = np.zeros((1, problem.network.parameter_count))
        counted = CountedProblem(problem, 1)
        integrator.advance(counted, integrator.start(counted, origin, []), 1e-6)
        if problem.has_dense_flow:
            load_kernels(counted, dense=True)
            problem.hessian(origin[0])  # what is near rest, and its sharpness, are told by it
        _loaded.add(loaded)


_loaded: set[str] = set()


def load_kernels_of(cell: Cell) -> None:
    """Call every kernel once in this process, so that no wall time of a method contains their loading."""
    problem = cell.problem.problem
    if isinstance(cell.integrator, FlowIntegrator):
        _load_solver(cell.integrator, problem)
    if problem.kind not in _loaded:
        _load_descent(problem)
        problem.load_risk()
        _loaded.add(problem.kind)


def _load_descent(problem: Problem) -> None:
    """Call what descent needs: everything but the risk."""
    network = problem.network
    theta, sizes = np.zeros((1, network.parameter_count)), np.full(1, 1e-6)
    problem.gradient(theta)
    problem.descend(theta, sizes)
    problem.descend_sampled(theta, sizes, batch_size=1, streams=np.ones((1, 4), dtype=np.uint64))
    network.project(network.normalize(theta), theta)
    network.polar(theta)
    network.row_norms(theta)
