"""Options with which the kernels are compiled."""

from collections.abc import Callable
from typing import Any

import numba

from gfcompare.kernels.cache import keep
from gfcompare.kernels.deferred import KernelCompiler

# Of the fast-math freedoms only contraction (fused multiply-add) is allowed by default: results are
# the same to the bit from run to run, and NaN and infinity keep their meaning, which the detection
# of divergence relies on.
_CONTRACT = frozenset({"contract"})

# What only other kernels call needs no way in from Python, which would cost half of the compile time.
INTERNAL: dict[str, Any] = {
    "_nrt": False,
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}

#: The same for what `numba.extending.overload` chooses by the type of the data: not inlined, and as all that
#: only kernels call optimised where it is linked alone.
CHOSEN: Any = {"error_model": "numpy", "pipeline_class": KernelCompiler, **INTERNAL, "forceinline": False}

#: The same for what may allocate.
CHOSEN_ALLOCATOR: Any = {**CHOSEN, "_nrt": True}


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls; it may allocate. The GIL is released while it runs."""
    return _compile(function, fastmath=set(_CONTRACT), no_cfunc_wrapper=True)


def bare_entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls, with its scratch memory, and that must not allocate."""
    return _compile(function, fastmath=set(_CONTRACT), _nrt=False, no_cfunc_wrapper=True)


def allocator(function: Callable[..., Any]) -> Any:
    """Compile a kernel that other kernels call and that may allocate."""
    return _compile(function, fastmath=set(_CONTRACT), **{**INTERNAL, "_nrt": True, "forceinline": False})


def leaf(function: Callable[..., Any]) -> Any:
    """Compile a kernel that other kernels call; it must not allocate.

    Without Numba's reference counting, whose atomic operations on every array that is passed or
    sliced cost more than the arithmetic of a 16-neuron gradient (measured: 0.45 us against 0.1 us).
    """
    return _compile(function, fastmath=set(_CONTRACT), **INTERNAL)


def cold_leaf(function: Callable[..., Any]) -> Any:
    """Compile a leaf that is called rarely or for long: not inlined, which saves compile time."""
    return _compile(function, fastmath=set(_CONTRACT), **{**INTERNAL, "forceinline": False})


def merged(function: Callable[..., Any]) -> Any:
    """Compile a leaf with one call site. Of a kernel that is compiled for itself too, this is another one."""
    return leaf(getattr(function, "py_func", function))


def leaf_sum(function: Callable[..., Any]) -> Any:
    """Compile a leaf whose sums may be reordered (in one fixed way), so that they vectorise."""
    return _compile(function, fastmath={"contract", "reassoc"}, **INTERNAL)


def cold_leaf_sum(function: Callable[..., Any]) -> Any:
    """Compile a `leaf_sum` that is not inlined."""
    return _compile(function, fastmath={"contract", "reassoc"}, **{**INTERNAL, "forceinline": False})


def leaf_exact(function: Callable[..., Any]) -> Any:
    """Compile a leaf in which every single rounding counts: error-free transformations."""
    return _compile(function, fastmath=False, **INTERNAL)


def cold_leaf_exact(function: Callable[..., Any]) -> Any:
    """Compile a `leaf_exact` that is not inlined."""
    return _compile(function, fastmath=False, **{**INTERNAL, "forceinline": False})


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    kernel = numba.njit(nogil=True, error_model="numpy", pipeline_class=KernelCompiler, **options)(function)
    keep(kernel)
    return kernel
