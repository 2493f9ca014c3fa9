"""The peers, and what each of them can do."""

from __future__ import annotations

from benchmarks.peers.launch import Method

OURS = Method("gfcompare", "ours", "run")
_TORCH = ("torch",)
_JAX = ("jax",)
_DIFFRAX = ("jax", "diffrax")

PYTORCH = Method("PyTorch", "torch_peer", "descent", _TORCH)
COMPILED = Method("PyTorch, compiled", "torch_peer", "compiled", _TORCH)
JAX = Method("JAX", "jax_peer", "descent", _JAX)
JAX_MAP = Method("JAX, map", "jax_peer", "mapped", _JAX)
GEOOPT = Method("geoopt", "geoopt_peer", "descent", ("torch", "geoopt"))
PYMANOPT = Method("pymanopt", "pymanopt_peer", "descent", ("jax", "pymanopt"))
TSIT5 = Method("diffrax Tsit5", "diffrax_peer", "explicit", _DIFFRAX)
KVAERNO5 = Method("diffrax Kvaerno5", "diffrax_peer", "implicit", _DIFFRAX)
DOPRI5 = Method("torchdiffeq dopri5", "torchdiffeq_peer", "flow", ("torch", "torchdiffeq"))
RK45 = Method("SciPy RK45", "scipy_peer", "explicit_on_points")
LSODA = Method("SciPy LSODA", "scipy_peer", "implicit_on_points")
LSODA_GRADIENT = Method("SciPy LSODA, our gradient", "scipy_peer", "on_our_gradient")
LSODA_HESSIAN = Method("SciPy LSODA, our gradient and Hessian", "scipy_peer", "on_our_hessian")

#: Flows on points.
ON_POINTS = (TSIT5, KVAERNO5, DOPRI5, RK45, LSODA)
#: Flows of the measure itself, with what gfcompare integrates exactly.
EXACT = (LSODA_GRADIENT, LSODA_HESSIAN)
ALL = (PYTORCH, COMPILED, JAX, JAX_MAP, GEOOPT, PYMANOPT, *ON_POINTS, *EXACT)


def applies(method: Method, widths: tuple[int, ...], kind: str) -> bool:
    """Return whether a method of `EXACT` does a flow: standard ones of 1-H-K and 2-H-K have the Hessian."""
    if method is LSODA_HESSIAN:
        return kind == "standard-gf" and widths[0] <= 2 and len(widths) == 3
    return True
