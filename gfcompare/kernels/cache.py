"""Cache of the machine code of the kernels between processes.

Numba's own cache is not used as it is, for three reasons. It decides by the file of a function alone whether
code is still valid, but our kernels inline one another across files. Where the folder that it is given cannot
be written it turns to one beside the sources, without a word, or raises an error. And it runs what it reads
whatever has become of the file: one that is cut short is a traceback, one that is damaged ends the process.

Here code is kept in one folder for each state of all the sources, whole and with a checksum. What is damaged,
or cannot be read or written, is compiled again. Nothing but the time of that depends on the cache.
"""

import hashlib
import inspect
import os
import pickle
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
import platformdirs
from numba.core import caching
from numba.core.serialize import dumps

from gfcompare.kernels import compile_locks, deferred

# Every change of a kernel's source makes a new folder, of some megabytes. One that a process has used is
# younger than this.
_UNUSED_DAYS = 30
_NAME = re.compile(r"kernels-[0-9a-f]{16}")


@cache
def source_fingerprint() -> str:
    """Return a hash of every kernel source file and of Numba: what the compiled code was made from."""
    digest = hashlib.sha256(f"numba {numba.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _candidates() -> Iterator[Path]:
    """Yield folders for compiled code, the best first."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        yield Path(os.path.expanduser(given))  # noqa: PTH111 (leaves a home folder that is not known)
    yield Path(platformdirs.user_cache_dir("gfcompare"))


@cache
def directory() -> Path | None:
    """Return the folder of the machine code of these sources; None if there is none.

    It is in ``NUMBA_CACHE_DIR`` if that is set, else in the user's cache folder, else in a folder of this
    user alone among temporary files. One that holds code of these sources and cannot be written, as in a
    container's image, is read.
    """
    name = f"kernels-{source_fingerprint()}"
    for root in _candidates():
        if _used(root / name) or _holds_code(root / name):
            return root / name
    private = _private_root()
    return private / name if private is not None and _used(private / name) else None


def _used(folder: Path) -> bool:
    """Return whether a folder can be written; note that it is in use, remove old ones beside a new one."""
    new = not os.path.exists(folder)  # noqa: PTH110 (no error where nothing can be seen)
    if not _can_write(folder):
        return False
    try:
        os.utime(folder)
        if new:
            remove_unused(folder.parent)
    except OSError:  # of another user, or removed by another process: neither is needed here
        pass
    return True


def remove_unused(root: Path) -> list[Path]:
    """Remove the code of other states of the sources that no process has used for `_UNUSED_DAYS`.

    Returns
    -------
    list of Path
        the folders that were removed
    """
    removed = []
    for folder in root.glob("kernels-*"):
        old = _NAME.fullmatch(folder.name) and folder.stat().st_mtime < time.time() - _UNUSED_DAYS * 86_400
        if old and folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def is_kept() -> bool:
    """Return whether there is a folder in which machine code is kept."""
    return directory() is not None


def is_cold() -> bool:
    """Return whether nothing has been compiled yet from these sources, and what is now will be kept."""
    folder = directory()
    return folder is not None and not _holds_code(folder)


def _can_write(folder: Path) -> bool:
    """Return whether files can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError):  # a ValueError for a path with a zero byte
        return False
    return True


def _holds_code(folder: Path) -> bool:
    try:
        return next(folder.rglob("*.nbc"), None) is not None
    except OSError:
        return False


def _private_root() -> Path | None:
    """Return a folder among temporary files that nobody else can write to; None if there can be none.

    What is read from the cache is run: a folder that another user has made must not be trusted.
    """
    user = os.getuid() if hasattr(os, "getuid") else None
    try:
        folder = Path(tempfile.gettempdir()) / f"gfcompare-{'cache' if user is None else user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError:
        return None
    if user is None:  # Windows: the folder of temporary files is the user's own
        return folder
    own = stat.S_ISDIR(about.st_mode) and about.st_uid == user and not about.st_mode & 0o077
    return folder if own else None


class _Locator:
    """Tells Numba where the code of a function is kept."""

    def __init__(self, file: str, line: int, folder: Path) -> None:
        self._py_file = file  # Numba names it in its warnings
        self._line = line
        self._folder = folder

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def ensure_cache_path(self) -> None:
        """Make the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        """Return what the code was made from."""
        return source_fingerprint()

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self._line)


class _Form(caching.CompileResultCacheImpl):
    """Serialisation of compiled code: Numba's, but for the place."""

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._lineno = function.__code__.co_firstlineno
        file = inspect.getfile(function)
        self._locator = _Locator(file, self._lineno, folder)
        self._filename_base = self.get_filename_base(f"{Path(file).stem}.{function.__qualname__}", "")

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """Return the result of a compilation from what is kept of it."""
        if deferred.is_for_linking(payload):
            return deferred.rebuilt(target_context, payload)
        return super().rebuild(target_context, payload)


class _Files(caching.IndexDataCacheFile):
    """The files of a function: an index of signatures, and one file for the code of each.

    Every file starts with a checksum, and code gets a file that no other process writes to: of two processes
    that compile two signatures at once, Numba's can give one the code of the other.
    """

    def __init__(self, folder: Path, base: str) -> None:
        super().__init__(str(folder), base, source_fingerprint())
        self._base = base

    def save(self, key: Any, data: Any) -> None:
        """Write the code of a signature, then the index that names it."""
        name = f"{self._base}.{uuid.uuid4().hex[:16]}.nbc"
        self._write(name, data)
        self._write(self._index_name, self._load_index() | {key: name})

    def load(self, key: Any) -> Any:
        """Return the code of a signature; None if it is not there or damaged."""
        name = self._load_index().get(key)
        return None if name is None else self._read(name)

    def flush(self) -> None:
        """Forget every signature."""
        self._write(self._index_name, {})

    def _load_index(self) -> dict[Any, str]:
        return self._read(self._index_name) or {}

    def _write(self, name: str, data: Any) -> None:
        content = dumps(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)

    def _read(self, name: str) -> Any:
        try:
            whole = Path(self._data_path(name)).read_bytes()
        except OSError:
            return None
        checksum, content = whole[:32], whole[32:]
        return pickle.loads(content) if hashlib.sha256(content).digest() == checksum else None


class KernelCache(caching.FunctionCache):
    """The cache of one kernel."""

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._name = repr(function)
        self._py_func = function
        self._impl = _Form(function, folder)
        self._cache_path = str(folder)
        self._cache_file = _Files(folder, self._impl.filename_base)
        self._lock_file = folder / f"{self._impl.filename_base}.lock"
        self.enable()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code of a signature, or None: then it is compiled.

        Of processes that need the same kernel at once, one compiles it and the others wait for its code.
        """
        kept = self._load(sig, target_context)
        if kept is None and self._enabled and compile_locks.take(self._py_func, self._lock_file):
            kept = self._load(sig, target_context)
            if kept is not None:
                compile_locks.release(self._py_func)
        return kept

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError, ValueError, TypeError, AttributeError, ImportError, pickle.PickleError):
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code of a signature if possible: a full disk or a read-only folder is no error."""
        try:
            super().save_overload(sig, data)
        except OSError:
            self.disable()
        finally:
            compile_locks.release(self._py_func)


def keep(kernel: Any) -> None:
    """Let the machine code of a kernel be kept between processes, if there is a place for it."""
    folder = directory()
    if folder is not None and hasattr(kernel, "py_func"):  # none if compilation is switched off
        kernel._cache = KernelCache(kernel.py_func, folder)
