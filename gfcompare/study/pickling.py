"""The pickled work of worker processes: checked before any starts, so that no running cell is lost."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any, ClassVar

import cloudpickle

from gfcompare.components.errors import InputError
from gfcompare.hooks.plugin_files import carried
from gfcompare.hooks.provenance import origin_of
from gfcompare.study.cells import Cell

_FIX = (
    "Make what cannot be pickled where it is used, such as in start, or compute in this process: --jobs 1, "
    "in Python jobs=1."
)


def check_sendable(cells: Sequence[Cell]) -> None:
    """Raise InputError that names the component of a cell that cannot be sent to another process."""
    seen: set[int] = set()
    for cell in cells:
        for where, part in _parts(cell):
            if id(part) in seen:
                continue
            seen.add(id(part))
            try:
                cloudpickle.dumps(part)
            except Exception as error:  # pickle lets through what an object's own code raises
                raise InputError(_message(where, part, error)) from None
    for plugin, components in carried():
        for kind, cls in ((kind, cls) for kind, classes in components.items() for cls in classes):
            try:
                cloudpickle.dumps(cls)
            except Exception as error:
                raise InputError(
                    f"the {kind.removesuffix('s')} {cls.name!r} of plugin {plugin.label} cannot be sent to a "
                    f"worker process: {type(error).__name__}: {error}. {_FIX}"
                ) from None


def _parts(cell: Cell) -> Iterator[tuple[str, Any]]:
    spec = cell.problem
    yield f"integrators.{cell.integrator_name}", cell.integrator
    yield f"problem {spec.name!r}, target", spec.target
    yield f"problem {spec.name!r}, measure", spec.measure
    yield f"problem {spec.name!r}, initialization", spec.initialization


def _message(where: str, part: Any, error: Exception) -> str:
    """Return what cannot be sent, where it comes from, why, and what to do about it."""
    cls = type(part)
    plugin = origin_of(cls)
    home = f"of plugin {plugin.label}" if plugin else f"of {_file(cls)}"
    options = [key for key, value in part.options().items() if not _can_be_sent(value)]
    what = f"the option {options[0]} of {cls.__name__}" if options else f"{cls.__name__}"
    return (
        f"{where}: {what} ({home}) cannot be sent to a worker process: {type(error).__name__}: {error}. "
        f"{_FIX}"
    )


def _can_be_sent(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:
        return False
    return True


def _file(cls: type[Any]) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or cls.__module__


def _named(file: str, make: Callable[..., CodeType], arguments: tuple[Any, ...]) -> CodeType:
    """Return code with the name of its file."""
    return make(*arguments).replace(co_filename=file)


def _of_code(code: CodeType) -> tuple[Callable[..., CodeType], tuple[Any, ...]]:
    make, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)[:2]
    return _named, (code.co_filename, make, arguments)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, which leaves out the names of files: a message would not say where a plugin's error is."""

    dispatch_table: ClassVar[Any] = {**cloudpickle.Pickler.dispatch_table, CodeType: _of_code}


def packed(value: Any) -> bytes:
    """Return an object as bytes, code that the other process cannot import with it."""
    with io.BytesIO() as file:
        _Pickler(file).dump(value)
        return file.getvalue()
