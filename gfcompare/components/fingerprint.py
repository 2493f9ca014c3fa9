"""The source files that determine numbers: part of the identity of every stored cell.

Of gfcompare itself these are whole packages, never a list of files. Of a plugin or a script they are the
files that it imports from outside the installed libraries, and all of the distribution that it came with.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.machinery
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

_HERE = Path(__file__).parent.parent

#: Packages of gfcompare whose code cannot change what a cell holds: they read results, and nothing that
#: computes one may import them. A test holds this set against the order of the layers in pyproject.toml.
READERS = ("certificates", "cli", "figures", "report", "statistics", "testing", "theory", "work_precision")

#: Hashes of files by name. A name is relative to the folder that the file is imported from: moving a project
#: changes nothing.
Hashes = dict[str, str]


def counted_files(folder: Path = _HERE) -> Iterator[Path]:
    """Yield the files of the package in `folder` whose content can change a number, sorted."""
    for path in sorted(_files_below(folder)):
        if path.relative_to(folder).parts[0].removesuffix(".py") not in READERS:
            yield path


def fingerprint_of(folder: Path) -> str:
    """Return a hash of the files of the package in `folder` whose content can change a number."""
    return _combined({path.relative_to(folder).as_posix(): _hash(path) for path in counted_files(folder)})


@functools.cache
def fingerprint() -> str:
    """Return a hash of gfcompare's files: a cell that older code computed is not taken for a new one's.

    It is that of the files as they were when it was first asked for, which is the code that is loaded.
    """
    return fingerprint_of(_HERE)


def code_of(module: str) -> str:
    """Return a hash of the files that a module can run, as `reachable` has them; empty if there are none."""
    found = reachable(module)
    return _combined(found) if found else ""


def reachable(module: str) -> Hashes:
    """Return the files that a module can run, itself included, outside gfcompare and the installed libraries.

    These are its own file and those it imports, directly or not, in functions too; of a package, all files.
    Of a script, `__main__`, these are the files that it imports: a script's own functions are known by their
    code, so that a change of a plot does not count. An import by a name that is put together at run time is
    not seen.
    """
    found: Hashes = {}
    waiting = _roots(module)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        files = _unit(name)
        found |= {key: digest for key, (digest, _) in files.items()}
        waiting += sorted({top for _, imported in files.values() for top in imported} - seen)
    return dict(sorted(found.items()))


@functools.cache
def distribution_files(name: str) -> Hashes:
    """Return the files that an installed distribution recorded, without its metadata and compiled Python.

    An editable installation records none of its modules; `reachable` finds them where they are.
    """
    try:
        recorded = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError:  # a plugin that is a single file
        return {}
    found = {}
    for file in recorded:
        beside = file.parts[0].endswith((".dist-info", ".egg-info")) or file.parts[0] == ".."
        # Those of an editable installation hold the path of the project.
        if beside or file.suffix in (".pyc", ".pth") or file.name.startswith("__editable__"):
            continue
        path = Path(str(file.locate()))
        if path.is_file():
            found[file.as_posix()] = _hash(path)
    return found


def name_and_version(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Return the name and version of a distribution, from its folder where its metadata are missing."""
    try:
        if distribution is not None and distribution.name:
            return str(distribution.name), str(distribution.version)
    except Exception:  # of somebody else's broken installation, with an error of any kind
        pass
    folder = Path(str(getattr(distribution, "_path", ""))).name
    name, _, rest = folder.partition("-")
    return name or "an unknown distribution", rest.removesuffix(".dist-info").removesuffix(".egg-info")


def module_file(module: str) -> Hashes:
    """Return the file of a module alone, wherever it lies; none for one that has no file."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return {f"{module} ({Path(file).name})": _hash(Path(file))} if file and Path(file).is_file() else {}


def imports_of(path: Path) -> frozenset[str]:
    """Return the top-level names that a Python file imports, in functions too."""
    return _source(path)[1]


def is_library(module: str) -> bool:
    """Return whether a module is gfcompare's, Python's or that of an installed library."""
    top = module.partition(".")[0]
    spec = _spec(top)
    if top == __name__.partition(".")[0]:
        return True
    if spec is None or spec.origin in ("built-in", "frozen"):
        return top in sys.stdlib_module_names
    places = spec.submodule_search_locations or () if spec.origin is None else [spec.origin]
    return not any(_is_own(Path(place)) for place in places)


# ---------------------------------------------------------------------------------------------------
# Modules
# ---------------------------------------------------------------------------------------------------

# A file's hash, and the top-level names that it imports.
_Source = tuple[str, frozenset[str]]
# Of modules that are loaded: what their files were when first looked at, which is the code that runs. That
# counts until the module is loaded again, which gives it another specification.
_loaded: dict[str, tuple[object, dict[str, _Source]]] = {}


def _roots(module: str) -> list[str]:
    """Return the top-level names from which everything is reached that a module can run."""
    top = module.partition(".")[0]
    if module != "__main__":
        return [top]
    main = sys.modules[module]
    parent = str(main.__package__ or "").partition(".")[0]
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).is_file():  # an interpreter, a notebook, a script piped in
        values = list(vars(main).values())
        names = {v.__name__ if isinstance(v, ModuleType) else getattr(v, "__module__", None) for v in values}
        return sorted({n.partition(".")[0] for n in names if isinstance(n, str)} - {"__main__"})
    if "__main__" not in _loaded:
        _loaded["__main__"] = (None, {Path(file).name: _source(Path(file))})
    imported = {name for _, names in _loaded["__main__"][1].values() for name in names}
    return sorted(imported | ({parent} if parent else set()))


def _unit(top: str) -> dict[str, _Source]:
    """Return the files of a top-level module, or all of a package; none of a library."""
    spec = _spec(top)
    if spec is None or is_library(top):
        return {}
    if top in _loaded and top in sys.modules and _loaded[top][0] is spec:
        return _loaded[top][1]
    found = {name: _source(path) for name, path in _paths(spec)}
    if top in sys.modules:
        _loaded[top] = (spec, found)
    return found


def _paths(spec: importlib.machinery.ModuleSpec) -> Iterator[tuple[str, Path]]:
    """Yield the files of a top-level module or package, with their names."""
    if spec.origin is None:  # a package without __init__.py: a folder that may hold anything
        code = tuple(importlib.machinery.all_suffixes())
        for location in map(Path, spec.submodule_search_locations or ()):
            for path in _files_below(location) if _is_own(location) else ():
                if path.name.endswith(code):
                    yield path.relative_to(location.parent).as_posix(), path
        return
    file = Path(spec.origin)
    if spec.submodule_search_locations is None:
        yield file.name, file
        return
    for path in _files_below(file.parent):
        yield path.relative_to(file.parent.parent).as_posix(), path


def _spec(top: str) -> importlib.machinery.ModuleSpec | None:
    """Return where a top-level module comes from, without importing it; None if that is not known."""
    module = sys.modules.get(top)
    if module is not None and getattr(module, "__spec__", None) is not None:
        return module.__spec__
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None


@functools.cache
def _library_folders() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple({Path(folder).resolve() for folder in folders})


def is_own_file(name: str) -> bool:
    """Return whether code is neither gfcompare's nor a library's, by the name of its file in a traceback."""
    return not name.startswith("<") and _is_own(Path(name))


@functools.lru_cache(maxsize=10_000)
def _is_own(path: Path) -> bool:
    """Return whether a file is neither gfcompare's nor that of an installed library."""
    resolved = path.resolve()
    if not {"site-packages", "dist-packages"}.isdisjoint(resolved.parts):
        return False  # also of another environment, reached through a .pth file
    return not any(resolved.is_relative_to(folder) for folder in (_HERE, *_library_folders()))


# ---------------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------------


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder: not those hidden, nor compiled Python, nor results of gfcompare."""
    for place, folders, files in os.walk(folder):
        output = "result.nc" in files or "cells" in folders
        if output and not any(name.endswith(".py") for name in files):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for name in files:
            if not name.startswith(".") and not name.endswith((".pyc", ".pyo")):
                yield Path(place) / name


def _source(path: Path) -> _Source:
    """Return a file's hash and what it imports."""
    try:
        about = path.stat()
    except OSError:
        return "unreadable", frozenset()
    return _source_at(path, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=10_000)
def _source_at(path: Path, modified: int, size: int) -> _Source:
    try:
        content = path.read_bytes()
    except OSError:
        return "unreadable", frozenset()
    return _digest(content), _imports(content) if path.suffix == ".py" else frozenset()


def _imports(source: bytes) -> frozenset[str]:
    """Return the top-level names that a module imports; relative imports stay within its package."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                names.add(node.args[0].value)
    return frozenset(name.partition(".")[0] for name in names if not name.startswith("."))


def _hash(path: Path) -> str:
    try:
        return _digest(path.read_bytes())
    except OSError:
        return "unreadable"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _combined(hashes: Hashes) -> str:
    digest = hashlib.sha256()
    for name, value in hashes.items():
        digest.update(f"{name}\0{value}\0".encode())
    return digest.hexdigest()[:16]
