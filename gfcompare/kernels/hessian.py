"""The exact Hessian of the risk, for every kind of data that has one, chosen by the type of the data.

As in `velocity`: what calls `hessian_at` is compiled for the kind that it is given, and for no other.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from gfcompare.kernels.compiled import CHOSEN, cold_leaf, entry, merged
from gfcompare.kernels.cube import CubeData
from gfcompare.kernels.cube_hessian import cube_hessian_into, cube_hessian_work
from gfcompare.kernels.gaussian_gradient import GaussianData, GaussianWork, gaussian_work
from gfcompare.kernels.gaussian_hessian import HessianWork, hessian_work
from gfcompare.kernels.gaussian_hessian import hessian_into as gaussian_hessian_into
from gfcompare.kernels.line import PACKED_ORDERS, LineData
from gfcompare.kernels.line_hessian import PACKED_HESSIAN_ROWS, hessian_into, packed_hessian_work
from gfcompare.kernels.plane import PlaneData
from gfcompare.kernels.plane_hessian import plane_hessian_into, plane_hessian_work


class LineHessian(NamedTuple):
    """Scratch memory on a line, for `line_hessian.packed_hessian_work`: H hidden neurons, K outputs."""

    orders: np.ndarray  # (2, H) uint64
    rows: np.ndarray  # (35, H)
    lines: np.ndarray  # (4, K)
    spans: np.ndarray  # (6, H + 1)


class GaussianHessian(NamedTuple):
    """Scratch memory under a normal input measure."""

    gradient: GaussianWork
    hessian: HessianWork


@entry
def _plane_memory(data, hidden):
    return plane_hessian_work(data, hidden)


@entry
def _cube_memory(data, hidden):
    return cube_hessian_work(data, hidden)


def hessian_memory(data, widths, parameters):
    """Return the scratch memory for `hessian_at`, made in Python: P parameters."""
    hidden, outputs = int(widths[1]), int(widths[2])
    if isinstance(data, LineData):
        orders = np.empty((PACKED_ORDERS, hidden), np.uint64)
        orders[0] = np.arange(hidden)
        rows = np.empty((PACKED_HESSIAN_ROWS, hidden))
        return LineHessian(orders, rows, np.empty((4, outputs)), np.empty((6, hidden + 1)))
    if isinstance(data, GaussianData):
        return GaussianHessian(gaussian_work(data, hidden, outputs), hessian_work(data, parameters))
    return _cube_memory(data, hidden) if isinstance(data, CubeData) else _plane_memory(data, hidden)


# Into what has no other callers: compiled once less.
_on_line = merged(hessian_into)


@merged
def _line_hessian(data, theta, hessian, memory):
    work = packed_hessian_work(memory.orders, memory.rows, memory.lines, memory.spans)
    _on_line(data, theta, hessian, work)


@cold_leaf
def _gaussian_hessian(data, theta, hessian, memory):
    own = memory.hessian
    gaussian_hessian_into(
        data,
        theta,
        own.gradient,
        hessian,
        memory.gradient,
        own.block,
        own.half,
        own.vectors,
        own.weights,
    )


_KINDS = {
    LineData: _line_hessian,
    PlaneData: plane_hessian_into,
    CubeData: cube_hessian_into,
    GaussianData: _gaussian_hessian,
}


def hessian_at(data, theta, hessian, memory):
    """Write the Hessian at `theta`, (P,), into `hessian`, (P, P), symmetric to the bit."""
    raise NotImplementedError("for compiled code")


@overload(hessian_at, jit_options=CHOSEN)
def _choose_hessian(data, theta, hessian, memory):
    at = _KINDS[data.instance_class]

    def chosen(data, theta, hessian, memory):
        at(data, theta, hessian, memory)

    return chosen
