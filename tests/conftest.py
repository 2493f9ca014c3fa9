"""Fixtures that several test files share."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xarray as xr
from hypothesis import settings
from support import TINY, WATCHED, Once
from threadpoolctl import threadpool_limits

import gfcompare as gfc
from gfcompare.hooks import plugin_files, registry
from gfcompare.system import threads

try:
    import fcntl
except ImportError:  # Windows: each worker makes its own folders
    fcntl = None  # type: ignore[assignment]

settings.register_profile("default", deadline=None, derandomize=True, database=None)
settings.register_profile("thorough", deadline=None, derandomize=False, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

#: Minutes after which no property test begins any more, for random examples within a time that is given.
_MINUTES = float(os.environ.get("HYPOTHESIS_MINUTES", "inf"))
_begun = time.monotonic()


def pytest_configure(config: pytest.Config) -> None:
    """Let each of several workers compute on one thread, and processes keep their bytecode."""
    # Images of containers often set it: then each process that a test starts parses all of gfcompare again,
    # a ninth of the processor time of a small study.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if hasattr(config, "workerinput"):
        threads.set_thread_count(1)
        threadpool_limits(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all cases of a sampled test but one as thorough; if time is short, put all in another order."""
    mark_samples(items)
    if float("inf") > _MINUTES:
        # The same for all workers, another in each run: no test is always the one that is left out.
        random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).shuffle(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out the property tests for which no time is left."""
    if item.get_closest_marker("hypothesis") and time.monotonic() > _begun + 60.0 * _MINUTES:
        pytest.skip(f"the {_MINUTES:g} minutes for property tests are over")


def mark_samples(items: list[pytest.Item]) -> None:
    """Mark all cases of a sampled test but one as thorough: the named one, or the first."""
    fast: dict[str, str] = {}
    cases: dict[str, set[str]] = {}
    for item in items:
        marker = item.get_closest_marker("sampled")
        if marker is None or not isinstance(item, pytest.Function):
            continue
        case = item.callspec.id
        test = item.nodeid.removesuffix(f"[{case}]")
        cases.setdefault(test, set()).add(case)
        if case != fast.setdefault(test, marker.args[0] if marker.args else case):
            item.add_marker(pytest.mark.thorough)
    for test, case in fast.items():
        # A single case may have been asked for; of several, the one that is named must be there.
        if len(cases[test]) > 1 and case not in cases[test]:
            raise pytest.UsageError(f"{test}: sampled names the case {case!r}, and there is none")


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a study file: TINY with some text replaced, something put in front and something at the end."""

    def write(
        *replacements: tuple[str, str], first: str = "", last: str = "", name: str = "study.toml"
    ) -> Path:
        text = TINY
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(f"{first}\n{text}\n{last}\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    """A single-file plugin with the method `watched`."""
    path = tmp_path / "watched.py"
    path.write_text(WATCHED, encoding="utf-8")
    return path


@pytest.fixture
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test load plugins that no other test sees."""
    monkeypatch.setattr(registry, "_registry", None)
    monkeypatch.setattr(plugin_files, "_files", {})


@pytest.fixture
def heard() -> Iterator[None]:
    """Let Ctrl-C be heard here and in subprocesses: a shell has jobs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def small_study() -> gfc.Study:
    """Two problems, a flow, descent, descent on M and stochastic descent, one that diverges; 18 seeds."""
    return gfc.Study(
        "small",
        description="For tests.",
        targets={"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        integrators={
            "standard-gf": gfc.integrator("standard-gf"),
            "normalized-gf": gfc.integrator("normalized-gf"),
            "gd": [gfc.integrator("gd", step_size=0.05), gfc.integrator("gd", step_size=5.0)],
            "gd on M": gfc.integrator("gd", step_size=0.05, normalize=True),
            "sgd": gfc.integrator("sgd", step_size=0.05, batch_size=4),
        },
        network=gfc.ReLUNetwork((1, 4, 1)),
        times=gfc.Times(start=0.1, end=100.0, count=4),
        seeds=18,
        seed=7,
    )


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a folder once for all workers: the first that needs it fills it, the others wait."""
    root = tmp_path_factory.getbasetemp()
    if fcntl is not None and "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = root / f"once-{name}", root / f"once-{name}.done"
        with locked(root / f"once-{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that a process loses when it ends, however it ends."""
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def small_folder(small_study: gfc.Study, once: Once) -> Path:
    """The folder of the results of `small_study`; not to be changed."""
    return once("small", lambda folder: small_study.run(folder, jobs=1))


@pytest.fixture
def small_tree(small_folder: Path) -> xr.DataTree:
    """The results of `small_study`, read again for each test."""
    return gfc.open_study(small_folder)
