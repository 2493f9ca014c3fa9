"""The cache of machine code: never stale, never another's, and no error whatever has become of it."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core import compiler
from numba.core.codegen import JITCodeLibrary
from oracles import QUICK

import gfcompare
from gfcompare.kernels import cache, compile_locks, sorting
from gfcompare.kernels.cache import KernelCache
from gfcompare.kernels.compiled import INTERNAL
from gfcompare.kernels.deferred import Flags, KernelCompiler, LinkedLibrary

# Kernels that a test compiles anew.
triple_kernel: Any = None
triple_and_one_kernel: Any = None


def triple(x):
    return 3 * x


def kept(folder: Path) -> Any:
    """A kernel that has not been compiled in this process, with its code kept in a folder."""
    kernel = numba.njit(triple)
    kernel._cache = KernelCache(triple, folder)
    return kernel


def hits(kernel: Any) -> int:
    return sum(kernel.stats.cache_hits.values())


def test_code_is_kept_for_each_signature(tmp_path: Path) -> None:
    kernel = kept(tmp_path)
    assert (kernel(2), kernel(0.5), hits(kernel)) == (6, 1.5, 0)
    again = kept(tmp_path)
    assert (again(2), again(0.5), hits(again)) == (6, 1.5, 2)
    again._cache.flush()
    empty = kept(tmp_path)
    assert (empty(2), hits(empty)) == (6, 0)


def triple_and_one(x):
    return triple_kernel(x) + 1


def difference(x):
    return triple_and_one_kernel(x) - triple_kernel(2 * x)


def test_what_kernels_call_is_linked_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(function: Any, **options: Any) -> Any:
        kernel = numba.njit(pipeline_class=KernelCompiler, **options)(function)
        kernel._cache = KernelCache(function, tmp_path)
        monkeypatch.setitem(globals(), function.__name__ + "_kernel", kernel)
        return kernel

    def chain() -> tuple[Any, Any, Any]:
        return compiled(triple, **INTERNAL), compiled(triple_and_one, **INTERNAL), compiled(difference)

    first = chain()
    assert first[2](5.0) == 3 * 5 + 1 - 30
    kinds = [type(kernel.overloads[kernel.signatures[0]].library) for kernel in first]
    assert kinds == [LinkedLibrary, LinkedLibrary, JITCodeLibrary]
    again = chain()
    again[2]._cache.flush()
    assert again[2](5.0) == 3 * 5 + 1 - 30
    assert [hits(kernel) for kernel in again] == [1, 1, 0]
    assert gc.isenabled()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    kept(folder)(2)
    return folder


@pytest.mark.thorough
@QUICK
@given(ending=st.sampled_from([".nbi", ".nbc"]), data=st.data())
def test_a_damaged_file_is_compiled_again(
    tmp_path_factory: pytest.TempPathFactory, filled: Path, ending: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copytree(filled, folder, dirs_exist_ok=True)
    (file,) = folder.glob(f"*{ending}")
    whole = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[place] ^= data.draw(st.integers(1, 255))
        file.write_bytes(whole)
    else:
        file.write_bytes(whole[:place])
    kernel = kept(folder)
    assert (kernel(2), hits(kernel)) == (6, 0)
    assert kept(folder)(2) == 6
    mended = kept(folder)
    assert (mended(2), hits(mended)) == (6, 1)


def test_a_cache_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    kept(tmp_path)(2)
    for file in tmp_path.iterdir():
        file.unlink()
        file.mkdir()  # reading and replacing it fail, for the superuser too
    assert kept(tmp_path)(2) == 6
    (tmp_path / "file").touch()
    assert kept(tmp_path / "file" / "below")(2) == 6


def test_two_processes_that_compile_at_once_do_not_mix_their_code(tmp_path: Path) -> None:
    one, other = (cache._Files(tmp_path, "f") for _ in range(2))
    index = one._load_index
    one._load_index = lambda: (other.save("b", "code of b"), index())[1]  # type: ignore[method-assign]
    one.save("a", "code of a")
    one._load_index = dict  # type: ignore[method-assign,assignment]
    one.save("c", "code of c")  # it has read the index before the others wrote theirs
    last = cache._Files(tmp_path, "f")
    assert [last.load(key) for key in "abc"] == [None, None, "code of c"]
    assert cache._Files(tmp_path, "other").load("a") is None


@pytest.mark.skipif(compile_locks.fcntl is None, reason="locks of POSIX systems")
def test_the_code_of_a_process_that_compiles_the_same_kernel_is_waited_for(
    tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = kept(tmp_path)
    with kernel._cache._lock_file.open("a") as other:
        compile_locks.fcntl.flock(other, compile_locks.fcntl.LOCK_EX)

        def finish(seconds: float) -> None:
            shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
            compile_locks.fcntl.flock(other, compile_locks.fcntl.LOCK_UN)

        monkeypatch.setattr(compile_locks.time, "sleep", finish)
        assert (kernel(2), hits(kernel)) == (6, 1)
    assert compile_locks._taken == {}


@pytest.mark.skipif(compile_locks.fcntl is None, reason="locks of POSIX systems")
def test_a_kernel_is_compiled_though_another_process_never_ends_compiling_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_locks, "_PATIENCE", 0.1)
    kernel = kept(tmp_path)
    with kernel._cache._lock_file.open("a") as other:
        compile_locks.fcntl.flock(other, compile_locks.fcntl.LOCK_EX)
        assert kernel(2) == 6
    assert compile_locks._taken == {}
    again = kept(tmp_path)
    assert (again(2), hits(again)) == (6, 1)


def no_kernel(x):
    return x.attribute_that_numbers_lack


def test_a_kernel_that_does_not_compile_is_not_locked_any_more(tmp_path: Path) -> None:
    kernel = numba.njit(pipeline_class=KernelCompiler)(no_kernel)
    kernel._cache = KernelCache(no_kernel, tmp_path)
    with pytest.raises(numba.TypingError, match="attribute_that_numbers_lack"):
        kernel(2)
    assert compile_locks._taken == {}


def test_options_are_compared_by_their_values() -> None:
    flags = Flags()
    assert flags == compiler.Flags()
    assert hash(flags) == hash(compiler.Flags())
    flags.forceinline = False  # the default
    assert flags == Flags()
    flags.forceinline = True
    assert flags != Flags()
    assert flags != "forceinline"


def where(tmp_path: Path, **environment: str) -> str:
    """Return what the folder of machine code is in another process."""
    code = "from gfcompare.kernels.cache import directory, is_cold; print(directory(), is_cold())"
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the order of folders on POSIX systems")
def test_the_first_folder_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # no folder can be made below a file
    (tmp_path / "tmp").mkdir()
    no, name = str(tmp_path / "file"), f"kernels-{cache.source_fingerprint()}"
    given, user = tmp_path / "given", tmp_path / "user"
    private = tmp_path / "tmp" / f"gfcompare-{os.getuid()}"
    assert where(tmp_path, NUMBA_CACHE_DIR=str(given), XDG_CACHE_HOME=no) == f"{given / name} True"
    assert where(tmp_path, HOME=str(given), NUMBA_CACHE_DIR="~/c") == f"{given / 'c' / name} True"
    found = where(tmp_path, NUMBA_CACHE_DIR=no, XDG_CACHE_HOME=str(user))
    assert found == f"{user / 'gfcompare' / name} True"
    none = {"NUMBA_CACHE_DIR": no, "XDG_CACHE_HOME": no}
    assert where(tmp_path, **none) == f"{private / name} True"
    assert private.stat().st_mode & 0o777 == 0o700
    (private / name / "f.nbc").touch()
    assert where(tmp_path, **none) == f"{private / name} False"
    private.chmod(0o770)  # others could have put code there
    assert where(tmp_path, **none) == "None False"
    shutil.rmtree(private)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    private.symlink_to(tmp_path / "elsewhere")
    assert where(tmp_path, **none) == "None False"


def test_a_full_cache_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / f"kernels-{cache.source_fingerprint()}"
    folder.mkdir()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))  # the user's own may be full
    monkeypatch.setattr(cache, "_can_write", lambda folder: False)
    assert cache.directory.__wrapped__() is None
    (folder / "f.nbc").touch()
    assert cache.directory.__wrapped__() == folder


def test_every_kernel_keeps_its_code_in_that_folder_and_nowhere_else() -> None:
    assert sorting.sort_pairs._cache._cache_path == str(cache.directory())
    package = Path(gfcompare.__file__).parent
    assert [*package.rglob("*.nbi"), *package.rglob("*.nbc")] == []


def test_a_change_of_any_kernel_file_changes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = Path(shutil.copytree(Path(cache.__file__).parent, tmp_path / "kernels"))
    monkeypatch.setattr(cache, "__file__", str(kernels / "cache.py"))
    seen = {cache.source_fingerprint.__wrapped__()}
    assert seen == {cache.source_fingerprint()}
    files = sorted(kernels.glob("*.py"))
    for file in files:
        file.write_text(file.read_text() + "\n")
        seen.add(cache.source_fingerprint.__wrapped__())
    assert len(seen) == len(files) + 1
    monkeypatch.setattr(numba, "__version__", "0.0")
    assert cache.source_fingerprint.__wrapped__() not in seen


@pytest.mark.thorough
def test_a_run_without_any_cache(tmp_path: Path) -> None:
    """No folder at all: every command works, and says why kernels are compiled in every process."""
    (tmp_path / "file").touch()
    no = str(tmp_path / "file")
    environment = {**os.environ, "NUMBA_CACHE_DIR": no, "XDG_CACHE_HOME": no, "TMPDIR": no}
    code = (
        "import tempfile\n"
        "def none(): raise FileNotFoundError('no usable temporary directory')\n"
        "tempfile.gettempdir = none\n"
        "from gfcompare.kernels import cache, sorting\n"
        "from gfcompare.cli import main\n"
        "assert cache.directory() is None and not cache.is_cold()\n"
        "main(['list', 'targets'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "sine" in done.stdout


def test_code_that_nobody_has_used_for_a_month_is_removed_when_there_is_new_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        "old": "kernels-0123456789abcdef",
        "recent": "kernels-fedcba9876543210",
        "mine": "kernels-of-mine",
    }
    folders = {key: tmp_path / name for key, name in names.items()}
    for key, folder in folders.items():
        folder.mkdir()
        (folder / "code.nbc").write_bytes(b"code")
        days = 29 if key == "recent" else 31
        os.utime(folder, (time.time() - days * 86_400,) * 2)
    (tmp_path / "kernels-0000000000000000").write_text("a file")
    (tmp_path / "kernels-1111111111111111").symlink_to(folders["mine"])
    os.utime(tmp_path / "kernels-0000000000000000", (0, 0))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    cache.directory.cache_clear()
    try:
        new = cache.directory()
        assert new is not None
        assert new.parent == tmp_path
        left = {path.name for path in tmp_path.iterdir()}
        kept_there = {names["recent"], names["mine"], "kernels-0000000000000000", "kernels-1111111111111111"}
        assert left == {*kept_there, new.name}
        # The folder in use is young again, whenever it was made; nothing is looked for then.
        os.utime(new, (0, 0))
        os.utime(folders["recent"], (0, 0))
        cache.directory.cache_clear()
        assert cache.directory() == new
        assert new.stat().st_mtime > time.time() - 60
        assert folders["recent"].exists()
    finally:
        cache.directory.cache_clear()
