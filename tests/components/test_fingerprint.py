"""Keys of cells: they depend on the code that can change a number, and on nothing else."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support import TINY, gfcompare

import gfcompare as gfc
from gfcompare.components import fingerprint
from gfcompare.components.identity import identity
from gfcompare.hooks import provenance, registry
from gfcompare.study.runner import run_study

PACKAGE = Path(gfc.__file__).parent
ROOT = PACKAGE.parent


# ---------------------------------------------------------------------------------------------------
# gfcompare itself
# ---------------------------------------------------------------------------------------------------


def imported_at_run_time(path: Path) -> set[str]:
    """Return the modules of gfcompare that a module imports, those for type checkers left out."""
    tree = ast.parse(path.read_bytes())
    only_for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in only_for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("gfcompare.")}


def reached_from_the_runner() -> set[Path]:
    """Return the files of gfcompare that `gfcompare.study.runner` imports, directly or not."""
    waiting, found = ["gfcompare.study.runner"], set()
    while waiting:
        name = waiting.pop()
        place = ROOT.joinpath(*name.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file() and path not in found:
                found.add(path)
                waiting += sorted(imported_at_run_time(path))
    return found


def test_every_module_that_can_change_a_number_is_hashed(tmp_path: Path) -> None:
    reached = {path.relative_to(PACKAGE) for path in reached_from_the_runner()}
    named = {
        "integrators/solvers/near_equilibrium.py",
        "integrators/solvers/runge_kutta.py",
        "integrators/solvers/chebyshev.py",
        "evaluators/curvature.py",
        "diagnostics/compute.py",
        "kernels/ndf.py",
    }
    assert {Path(name) for name in named} <= reached
    copy = tmp_path / "gfcompare"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = fingerprint.fingerprint_of(copy)
    assert before == fingerprint.fingerprint_of(PACKAGE)  # wherever the folder is
    assert reached <= {path.relative_to(copy) for path in fingerprint.counted_files(copy)}
    for name in sorted(named):
        text = (copy / name).read_text()
        (copy / name).write_text(text + "\n# edited\n")
        assert fingerprint.fingerprint_of(copy) != before, name
        (copy / name).write_text(text)
    assert fingerprint.fingerprint_of(copy) == before
    (copy / "a_new_module.py").write_text("")
    assert fingerprint.fingerprint_of(copy) != before


@pytest.mark.thorough
def test_what_is_left_out_reads_results_and_is_imported_by_nothing_that_computes() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = contracts[0]["layers"]
    above = [name.strip() for row in layers[: layers.index("study")] for name in row.split("|")]
    # In brackets: rooms that are planned.
    assert set(fingerprint.READERS) == {name for name in above if not name.startswith("(")}
    tops = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in reached_from_the_runner()}
    assert not tops & {*fingerprint.READERS}
    assert all(
        (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file() for name in fingerprint.READERS
    )
    counted = {path.relative_to(PACKAGE).as_posix() for path in fingerprint.counted_files(PACKAGE)}
    assert "diagnostics/compute.py" in counted
    assert "figures/base.py" not in counted


def test_editing_a_figure_keeps_the_cells(tmp_path: Path) -> None:
    copy = tmp_path / "gfcompare"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "figures" / "style.py").write_text("")
    (copy / "kernels" / "__pycache__").mkdir()
    (copy / "kernels" / "__pycache__" / "ndf.pyc").write_bytes(b"")
    assert fingerprint.fingerprint_of(copy) == fingerprint.fingerprint_of(PACKAGE)


KEY = "import gfcompare as gfc; print(gfc.Study.from_toml('s.toml').cells()[0].key)"


def test_the_fingerprint_is_a_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = tmp_path / "s.toml"
    study.write_text(TINY)
    before = gfc.Study.from_toml(study).cells()[0].key
    assert gfc.Study.from_toml(study).cells()[0].key == before
    monkeypatch.setattr("gfcompare.study.cells.fingerprint", lambda: "of edited files")
    assert gfc.Study.from_toml(study).cells()[0].key != before


@pytest.mark.thorough
def test_the_key_changes_with_the_package(tmp_path: Path) -> None:
    """From end to end: a copy of the package that runs in a process of its own."""
    shutil.copytree(PACKAGE, tmp_path / "gfcompare", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "s.toml").write_text(TINY)

    def key() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-c", KEY]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    before = key()
    with (tmp_path / "gfcompare" / "rest.py").open("a") as file:
        file.write("\n# edited\n")
    assert key() != before


# ---------------------------------------------------------------------------------------------------
# Plugins and scripts
# ---------------------------------------------------------------------------------------------------

METHOD = """\
from dataclasses import dataclass
from typing import ClassVar
import gfcompare as gfc
{imports}

@dataclass(frozen=True)
class Scaled(gfc.StepMethod):
    name: ClassVar[str] = "scaled"
    step_size: gfc.StepSize = 0.05

    def step(self, problem, theta, solver_state, step_size):
        {inside}
        return theta - step_size * {factor}helper_mod.factor() * problem.gradient(theta), solver_state
"""
HOOK = """
@gfc.hookimpl
def gfcompare_integrators():
    return [Scaled]
"""
STUDY = """
class Constant:
    def value(self):
        return TWO

TWO, constant = 2.0, Constant()
print(gfc.Study("s", targets={"t": gfc.targets.Sine()}, integrators={"m": Scaled()}).cells()[0].key)
"""


def project(folder: Path, *, imports: str = "import helper_mod", inside: str = "pass") -> Path:
    """Write a method with a helper, which has a package of its own, a lazy import and one by name."""
    folder.mkdir(parents=True)
    files = {
        "plug.py": METHOD.format(imports=imports, inside=inside, factor="") + HOOK,
        "script.py": METHOD.format(imports=imports, inside=inside, factor="constant.value() * ") + STUDY,
        "helper_mod.py": """
            from numbers_of_mine.deep import constant
            def factor():
                import lazy_mod, importlib
                return constant.ONE * lazy_mod.ONE * importlib.import_module("named_mod").ONE
        """,
        "lazy_mod.py": "ONE = 1.0",
        "named_mod.py": "ONE = 1.0",
        "numbers_of_mine/__init__.py": "",
        "numbers_of_mine/deep/__init__.py": "",
        "numbers_of_mine/deep/constant.py": "from ..sibling import ONE",
        "numbers_of_mine/sibling.py": "ONE = 1.0",
        "numbers_of_mine/table.csv": "1.0",
        "unrelated.py": "import helper_mod",
        "s.toml": TINY.replace("[integrators.gd]", "[integrators.scaled]"),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


REACHED = [
    "helper_mod.py",
    "lazy_mod.py",
    "named_mod.py",
    "numbers_of_mine/deep/constant.py",
    "numbers_of_mine/sibling.py",
    "numbers_of_mine/table.csv",
]


class Keys:
    """Keys as a new process has them, which is what a run has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def plugin(self) -> str:
        return self.of(
            "-c", f"from gfcompare.hooks import plugin_files; plugin_files.load_file('plug.py'); {KEY}"
        )

    def script(self) -> str:
        return self.of("script.py")


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["plugin", "script"])
def test_a_file_that_a_method_imports_changes_its_key(tmp_path: Path, kind: str) -> None:
    before = getattr(Keys(project(tmp_path / "one")), kind)()
    # What no method imports, a result beside the package, and another folder change nothing.
    moved = Keys(project(tmp_path / "two" / "deeper"))
    (moved.folder / "unrelated.py").write_text("1 / 0")
    (moved.folder / "numbers_of_mine" / "results" / "cells").mkdir(parents=True)
    (moved.folder / "numbers_of_mine" / "results" / "cells" / "x.nc").write_text("")
    assert getattr(moved, kind)() == before
    (moved.folder / "numbers_of_mine" / "sibling.py").write_text("ONE = 2.0")
    assert getattr(moved, kind)() != before


@pytest.mark.thorough
def test_what_a_script_uses_of_itself_changes_its_key_and_the_rest_does_not(tmp_path: Path) -> None:
    keys = Keys(project(tmp_path / "one"))
    script = keys.folder / "script.py"
    text = script.read_text()
    before = keys.script()
    script.write_text(text + "\nprint(end='')  # a plot\n")
    assert keys.script() == before
    for old, new in (("TWO, constant = 2.0", "TWO, constant = 3.0"), ("return TWO", "return TWO + 1")):
        script.write_text(text.replace(old, new))
        assert keys.script() != before, new


@pytest.mark.thorough
def test_a_script_that_is_piped_in(tmp_path: Path) -> None:
    folder = project(tmp_path / "one")

    def key() -> str:
        done = subprocess.run(
            [sys.executable, "-"],
            input=(folder / "script.py").read_text(),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = key()
    assert key() == before
    (folder / "lazy_mod.py").write_text("ONE = 2.0")
    assert key() != before


def test_reachable_files_follow_imports_and_stop_at_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(tmp_path / "one")
    monkeypatch.syspath_prepend(folder)
    found = fingerprint.reachable("unrelated")
    packages = {"numbers_of_mine/__init__.py", "numbers_of_mine/deep/__init__.py"}
    assert set(found) == {"unrelated.py", *REACHED, *packages}
    assert (
        fingerprint.reachable("numpy")
        == fingerprint.reachable("json")
        == fingerprint.reachable("gfcompare.integrators.solvers.near_equilibrium")
        == {}
    )
    assert fingerprint.reachable("a_module_that_is_nowhere") == {}
    for name in REACHED:
        text = (folder / name).read_text()
        (folder / name).write_text(text + "\n# edited\n")
        changed = fingerprint.reachable("unrelated")
        assert {key for key in found if found[key] != changed[key]} == {name}
        (folder / name).write_text(text)


def test_a_file_of_a_projects_own_that_is_named_as_one_of_pythons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sched.py").write_text("ONE = 1.0")  # of the standard library, not loaded by anybody here
    (tmp_path / "mine_to_test.py").write_text("import sched")
    monkeypatch.delitem(sys.modules, "sched", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert set(fingerprint.reachable("mine_to_test")) == {"mine_to_test.py", "sched.py"}


def test_a_loaded_module_is_hashed_as_it_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is loaded again, an edited file is not the code that runs."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "edited_while_loaded.py"
    path.write_text("ONE = 1.0")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("edited_while_loaded")
    try:
        before = fingerprint.reachable("edited_while_loaded")
        path.write_text("ONE = 2.0")
        assert fingerprint.reachable("edited_while_loaded") == before
        importlib.reload(module)
        assert fingerprint.reachable("edited_while_loaded") != before
    finally:
        del sys.modules["edited_while_loaded"]


def test_a_distribution_counts_with_all_that_it_recorded() -> None:
    found = fingerprint.distribution_files("pluggy")
    assert "pluggy/_hooks.py" in found
    assert not [name for name in found if ".dist-info" in name or name.endswith((".pyc", ".pth"))]
    assert fingerprint.distribution_files("gfcompare-that-is-not-installed") == {}


# ---------------------------------------------------------------------------------------------------
# Classes and functions
# ---------------------------------------------------------------------------------------------------


def flow(title: str, factor: float) -> type[gfc.FlowIntegrator]:
    """Make a flow class that differs from its sisters in a closure."""

    @dataclass(frozen=True)
    class Flow(gfc.FlowIntegrator):
        name: ClassVar[str] = title

        def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
            return -factor * problem.gradient(y)

    return Flow


def by_attribute(factor: float) -> type[gfc.FlowIntegrator]:
    """Make a flow class that differs from its sisters in a class attribute."""

    @dataclass(frozen=True)
    class Flow(gfc.FlowIntegrator):
        name: ClassVar[str] = "same"
        factor: ClassVar[float]

        def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
            return -self.factor * problem.gradient(y)

    Flow.factor = factor
    return Flow


def study(**methods: gfc.Integrator) -> gfc.Study:
    return gfc.Study(
        "s",
        targets={"t": gfc.targets.Sine()},
        integrators=methods,
        network=gfc.ReLUNetwork((1, 3, 1)),
        times=gfc.Times(end=1.0, count=3),
        seeds=1,
    )


def key(method: Any) -> str:
    return study(m=method).cells()[0].key


def test_classes_of_one_factory_have_keys_of_their_own() -> None:
    assert key(flow("a", 1.0)()) == key(flow("a", 1.0)())
    assert key(flow("a", 1.0)()) != key(flow("a", 2.0)())
    assert key(flow("a", 1.0)()) != key(flow("b", 1.0)())
    assert key(by_attribute(1.0)()) == key(by_attribute(1.0)())
    assert key(by_attribute(1.0)()) != key(by_attribute(2.0)())


def test_classes_of_one_factory_have_numbers_of_their_own(tmp_path: Path) -> None:
    """Twice the velocity is the same flow at twice the time."""
    tree = study(once=flow("a", 1.0)(rtol=1e-10), twice=flow("b", 2.0)(rtol=1e-10)).run(tmp_path, jobs=1)
    risk = tree["t"]["risk"].isel(seed=0)
    assert float(tree["t"]["time"][1]) == 0.01  # then 0.1 and 1, by the logarithmic grid
    theta0 = [
        tree["t"][f"{n}_{k}"].isel(integrator=0, seed=0, time=0).values
        for k in (1, 2)
        for n in ("weight", "bias")
    ]
    problem = study(m=flow("a", 1.0)()).problems[0].problem
    start = problem.network.join([tuple(theta0[:2]), tuple(theta0[2:])])
    double = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-10), start, [0.0, 2.0])
    np.testing.assert_allclose(
        risk.sel(integrator="twice").values[-1], double["risk"].values[0, -1], rtol=1e-7
    )
    assert abs(float(risk.sel(integrator="once")[-1] / risk.sel(integrator="twice")[-1]) - 1) > 1e-2


@pytest.mark.thorough
def test_keys_do_not_depend_on_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No address in solver_state, no order of a set, takes part."""
    (tmp_path / "factory_of_methods.py").write_text(
        textwrap.dedent("""
            from dataclasses import dataclass
            from typing import ClassVar
            import threading
            import gfcompare as gfc

            def make(number, thing):
                @dataclass(frozen=True)
                class Made(gfc.StepMethod):
                    name: ClassVar[str] = "made"
                    lock: ClassVar = threading.Lock()
                    words: ClassVar = frozenset({"a", "b", "c", "d"})
                    step_size: gfc.StepSize = 0.1
                    def __post_init__(self):
                        super().__post_init__()
                    @property
                    def factor(self):
                        return number if "a" in {"a", "b", "c"} else thing
                    def step(self, problem, theta, solver_state, step_size):
                        return theta - self.factor * problem.gradient(theta), solver_state
                return Made

            method = make(1.0, object())()
            Study = gfc.Study("s", targets={"t": gfc.targets.Sine()}, integrators={"m": method})
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    here = importlib.import_module("factory_of_methods").Study.cells()[0].key
    monkeypatch.delitem(sys.modules, "factory_of_methods")
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    command = "import factory_of_methods; print(factory_of_methods.Study.cells()[0].key)"
    assert Keys(tmp_path).of("-c", command).strip() == here


def test_a_method_within_a_method_counts_with_its_code() -> None:
    @dataclass(frozen=True)
    class Wrapped(gfc.StepMethod):
        name: ClassVar[str] = "wrapped"
        inner: Any = None
        step_size: gfc.StepSize = 0.1

    assert key(Wrapped(flow("a", 1.0)())) == key(Wrapped(flow("a", 1.0)()))
    assert key(Wrapped(flow("a", 1.0)())) != key(Wrapped(flow("a", 2.0)()))
    assert key(Wrapped(flow("a", 1.0)())) != key(Wrapped(flow("a", 1.0)(rtol=1e-3)))

    def schedule(power: float) -> Any:
        @dataclass(frozen=True)
        class Schedule:
            first: float = 0.1

            def size(self, n: int) -> float:
                return self.first / (n + 1.0) ** power

        return Schedule()

    assert key(Wrapped(schedule(1.0))) == key(Wrapped(schedule(1.0)))
    assert key(Wrapped(schedule(1.0))) != key(Wrapped(schedule(0.5)))


def test_what_else_is_told_apart_by_its_content() -> None:
    @dataclass
    class Plain:
        a: float

    class Bare:
        def __init__(self, a: float) -> None:
            self.a = a

        def doubled(self) -> float:
            return 2 * self.a

    def cached(a: float) -> Any:
        import functools

        return functools.lru_cache(lambda x: a * x)

    class Slotted:
        __slots__ = ("a",)

        def __init__(self, a: float) -> None:
            self.a = a

    def stateless(a: float) -> Any:
        class Same:
            def value(self) -> float:
                return a

        return Same()

    for make in (
        Plain,
        Bare,
        Slotted,
        stateless,
        lambda a: Bare(a).doubled,
        cached,
        lambda a: type("T", (), {"a": a}),
    ):
        assert identity(make(1.0)) == identity(make(1.0))
        assert identity(make(1.0)) != identity(make(2.0))
    assert identity({"b", "a"}) == identity({"a", "b"})
    assert identity(np.tanh) != identity(np.sinh)
    loop = Bare(1.0)
    loop.me = loop  # type: ignore[attr-defined]
    assert identity(loop) == identity(loop)


# ---------------------------------------------------------------------------------------------------
# What a user sees of it
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_changed_helper_is_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project(tmp_path / "one")
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def run(output: str, *more: str) -> tuple[str, float]:
        done = gfcompare(
            "run",
            "s.toml",
            "--plugin",
            "plug.py",
            "--no-figures",
            "--jobs",
            1,
            "--output",
            output,
            *more,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        risk = float(gfc.open_study(folder / output)["sine"]["risk"].isel(seed=0, time=-1)[0])
        return done.stdout, risk

    said, before = run("out")
    assert "1 cell computed, 0 found finished" in said
    assert "0 cells computed, 1 found finished" in run("out")[0]
    assert "1 cell computed, 0 found finished" in run("out", "--force")[0]
    (folder / "lazy_mod.py").write_text("ONE = 3.0\n")
    said, after = run("out")
    assert "1 cell computed, 0 found finished" in said
    assert after != before
    assert after == run("fresh")[1]
    told = gfcompare("info", "s.toml", "--plugin", "plug.py", cwd=folder).stdout
    assert fingerprint.fingerprint() in told
    line = next(line for line in told.splitlines() if line.startswith("  scaled: "))
    for name in ("plug.py", "helper_mod.py", "lazy_mod.py", "named_mod.py", "numbers_of_mine/sibling.py"):
        assert f"{name} " in line


@pytest.mark.thorough
def test_force_computes_what_is_finished(tmp_path: Path) -> None:
    small = study(gd=gfc.integrator("gd", step_size=0.1))
    run_study(small, tmp_path, jobs=1)
    (cell,) = (tmp_path / "cells").glob("*.cell")
    cell.write_bytes(b"spoilt")
    mended = run_study(small, tmp_path, jobs=1)
    assert (mended.computed, mended.reused) == (1, 0)
    again = run_study(small, tmp_path, jobs=1)
    assert (again.computed, again.reused) == (0, 1)
    again = run_study(small, tmp_path, jobs=1, force=True)
    assert (again.computed, again.reused) == (1, 0)
    assert gfc.validate(again.tree) == []
    assert gfc.validate(small.run(tmp_path, jobs=1, force=True)) == []


class _Editing:
    """Edits a file when a run begins, as its author may."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, cells: Any, finished: Any) -> None:
        self.path.write_text("ONE = 7.0")

    def note(self, text: str) -> None: ...

    def cell_done(self, cell: Any, seconds: float) -> None: ...

    def end(self, finished: int) -> None: ...


@dataclass(frozen=True)
class Lazy(gfc.StepMethod):
    """Imports a file when it steps."""

    name: ClassVar[str] = "lazy"
    step_size: gfc.StepSize = 0.1

    def step(self, problem, theta, solver_state, step_size):  # type: ignore[no-untyped-def]
        import lazy_file_of_a_test

        return theta - lazy_file_of_a_test.ONE * step_size * problem.gradient(theta), solver_state


def test_an_edit_while_a_study_runs_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lazy_file_of_a_test.py"
    path.write_text("ONE = 1.0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    outcome = run_study(study(m=Lazy()), tmp_path / "out", jobs=1, progress=_Editing(path))
    assert gfc.validate(outcome.tree) == []
    sys.modules.pop("lazy_file_of_a_test")


def test_pickling_a_method_keeps_its_key() -> None:
    import cloudpickle

    method = flow("a", 1.0)()
    before = key(method)
    cloudpickle.dumps(method)
    assert key(method) == before


def test_the_files_of_built_in_methods() -> None:
    found = {cls.name: list(provenance.hashed_files(cls)) for cls in registry.registry().all("integrators")}
    assert found["gd"] == ["gfcompare_gd.py"]
    assert all(
        files == [f"{cls.__module__}.py"]
        for cls, files in zip(registry.registry().all("integrators"), found.values(), strict=True)
    )
    assert provenance.hashed_files(gfc.initializations.He) == {}
