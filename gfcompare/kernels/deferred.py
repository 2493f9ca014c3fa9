"""Machine code of kernels, made once for each that Python calls, not once for each kernel.

Numba optimises every function whole, with all that it calls, and makes machine code of it, also where only
other functions call it: code that is called through five functions is optimised six times. Here what only
kernels call is linked into the kernel that Python calls, and optimised and made machine code there. All that
a flow needs is compiled in 67 s of processor time instead of 116, to the same bits.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
from numba.core import compiler
from numba.core.codegen import JITCodeLibrary

from gfcompare.kernels import compile_locks

#: How the cache marks code that is kept for linking alone.
_KIND = "for linking"


class LinkedLibrary(JITCodeLibrary):
    """The code of a kernel that only other kernels call, without machine code.

    Kernels that call no other are optimised at once: their loops vectorise less often where they are inlined.
    """

    @property
    def codegen(self) -> Any:
        """The code generator, without addresses of environments: those are set where the code is linked."""
        return _WithoutEnvironments(self._codegen)

    def _get_module_for_linking(self) -> Any:
        # Numba's is a copy: of code that is linked alone there is no other use.
        self._ensure_finalized()
        if self._shared_module is None:
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage == llvmlite.binding.Linkage.external:
                    function.linkage = "linkonce_odr"
            self._shared_module = self._final_module
        return self._shared_module

    def _optimize_final_module(self) -> None:
        if not any(isinstance(library, LinkedLibrary) for library in self._linking_libraries):
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return the address of a function: it has none."""
        self._ensure_finalized()
        return 0

    def serialize_using_object_code(self) -> tuple[str, str, bytes]:
        """Return what `rebuilt` takes."""
        self._ensure_finalized()
        return self.name, _KIND, self._final_module.as_bitcode()


class _WithoutEnvironments:
    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing."""


class Flags(compiler.Flags):
    """Options of a compilation that are compared by what is set: Numba compares all, a tenth of its time.

    The name is a part of the names of compiled functions.
    """

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, compiler.Flags):
            return NotImplemented
        mine, others = self._values, other._values
        # An option that is not set has its default.
        return bool(
            mine == others
            or all(getattr(self, name) == getattr(other, name) for name in mine.keys() | others.keys())
        )

    def __hash__(self) -> int:
        return _HASH


# Numba's hash of options is that of their names.
_HASH = hash(compiler.Flags())


class KernelCompiler(compiler.Compiler):
    """Numba's compiler, with a `LinkedLibrary` for what only kernels call.

    Cycles of references are not collected meanwhile: that took a sixth of the time, and nearly all that is
    made lives until the end.
    """

    def compile_extra(self, func: Any) -> Any:
        """Compile a function."""
        self.state.flags = Flags(self.state.flags)
        try:
            with _garbage_kept():
                return super().compile_extra(func)
        except BaseException:  # of one that was compiled the cache does it, when the code is kept
            compile_locks.release(func)
            raise

    def define_pipelines(self) -> Any:
        """Return the passes."""
        state = self.state
        if state.library is None and state.flags.no_cpython_wrapper:
            state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


@contextmanager
def _garbage_kept() -> Iterator[None]:
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # All that was made becomes old at once: as young objects they would be searched as soon as
            # collections are allowed again, a twentieth of the time.
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def is_for_linking(payload: Any) -> bool:
    """Return whether what the cache holds is the code of a `LinkedLibrary`."""
    return bool(payload[0][1] == _KIND)


def rebuilt(context: Any, payload: Any) -> Any:
    """Return the result of a compilation from what the cache holds of it: see Numba's `_rebuild`."""
    (name, _, bitcode), fndesc, env, signature, objectmode, lifted, annotation, reload_init, envs = payload
    library = LinkedLibrary(context.codegen(), name)
    library._final_module = llvmlite.binding.parse_bitcode(bitcode)
    library._finalize_final_module()
    return compiler.compile_result(
        target_context=context,
        typing_context=context.typing_context,
        library=library,
        environment=env,
        entry_point=context.get_executable(library, fndesc, env),
        fndesc=fndesc,
        type_annotation=annotation,
        signature=signature,
        objectmode=objectmode,
        lifted=lifted,
        reload_init=reload_init,
        referenced_envs=envs,
    )
