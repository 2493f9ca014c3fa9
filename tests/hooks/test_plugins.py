"""Plugins: how they are found, how broken ones are survived, how single files are loaded."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import sysconfig
import textwrap
import types
import venv
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import WATCHED, gfcompare

import gfcompare as gfc
from gfcompare.hooks import hookspecs, plugin_files
from gfcompare.hooks import registry as plugins
from gfcompare.hooks.registry import Plugin, PluginWarning, Registry

BUILT_IN = {
    "adagrad",
    "adam",
    "gd",
    "implicit-euler",
    "l-bfgs",
    "modified-flow",
    "momentum",
    "nesterov",
    "normalized-gf",
    "optax",
    "rmsprop",
    "sgd",
    "standard-gf",
    "torch-optim",
}

METHOD = textwrap.dedent("""\
    from dataclasses import dataclass
    from typing import ClassVar
    import gfcompare as gfc

    @dataclass(frozen=True)
    class Method(gfc.StepMethod):
        '''A method.'''
        name: ClassVar[str] = "mine"
        step_size: float = 0.1
        def step(self, problem, theta, solver_state, step_size):
            return theta - step_size * problem.gradient(theta), solver_state
""")


def module(source: str) -> types.ModuleType:
    made = types.ModuleType("somebodys_plugin")
    sys.modules["somebodys_plugin"] = made  # dataclasses look there
    exec(textwrap.dedent(source), vars(made))
    return made


def load(source: str, registry: Registry | None = None) -> Registry:
    registry = registry or Registry()
    registry.load(Plugin("theirs", "their-distribution", "4.2"), module(source))
    return registry


# ---------------------------------------------------------------------------------------------------
# The built-in plugins
# ---------------------------------------------------------------------------------------------------


def test_built_ins_come_in_through_entry_points() -> None:
    found = {plugin.name: plugin for _, plugin in plugins.entry_points()}
    assert set(found) >= {"builtins", "figures", *BUILT_IN}
    assert {found[name].distribution for name in BUILT_IN} == {"gfcompare"}
    assert plugins.registry().origin("integrators", "gd").name == "gd"
    assert plugins.registry().origin("targets", "sine").name == "builtins"


def test_nothing_built_in_is_refused() -> None:
    assert [plugin for plugin in plugins.registry().plugins if plugin.error] == []


@pytest.mark.parametrize("kind", hookspecs.KINDS)
def test_every_kind_has_a_hook_and_something_built_in(kind: hookspecs.Kind) -> None:
    assert f"gfcompare_{kind}" in dir(hookspecs)
    assert plugins.registry().names(kind)
    for component in plugins.registry().all(kind):
        assert component.summary().endswith(("...", ".")), component
        assert component.name in plugins.registry().names(kind)


def test_every_hook_is_documented_and_of_a_known_kind() -> None:
    hooks = {name for name in dir(hookspecs) if name.startswith("gfcompare_")}
    assert hooks == {f"gfcompare_{kind}" for kind in hookspecs.KINDS} | {"gfcompare_commands"}
    assert all(getattr(hookspecs, hook).__doc__ for hook in hooks)


@pytest.mark.thorough
def test_nothing_is_loaded_at_import_time() -> None:
    code = (
        "import gfcompare, gfcompare.hooks.registry, gfcompare.study.study, gfcompare.study.runner, sys;"
        "assert gfcompare.hooks.registry._registry is None;"
        "assert not [m for m in sys.modules if m.startswith('gfcompare_')];"
        # A quarter of the time that a study takes to load.
        "parts = {'special', 'integrate', 'optimize', 'sparse', 'spatial', 'stats'};"
        "assert not [p for p in parts if f'scipy.{p}' in sys.modules];"
        "gfcompare.integrator('gd'); assert 'gfcompare_sgd' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_integrator_by_name() -> None:
    assert gfc.integrator("standard-gf", rtol=1e-8).rtol == 1e-8
    with pytest.raises(
        gfc.InputError, match=r"unknown integrator 'standart-gf'. Did you mean 'standard-gf'\?"
    ):
        gfc.integrator("standart-gf")
    with pytest.raises(
        gfc.InputError, match=r"unknown option of 'gd': 'stepsize'. Did you mean 'step_size'\?"
    ):
        gfc.integrator("gd", stepsize=0.1)
    with pytest.raises(gfc.InputError, match="unknown option of 'gd': 'name'"):
        gfc.integrator("gd", name="x")
    with pytest.raises(gfc.InputError, match="step_size must be a number or a schedule, got 'a'"):
        gfc.integrator("gd", step_size="a")
    with pytest.raises(gfc.InputError, match="rtol must lie between"):
        gfc.integrator("standard-gf", rtol=1.0)


# ---------------------------------------------------------------------------------------------------
# Broken plugins
# ---------------------------------------------------------------------------------------------------

HOOK = "\n@gfc.hookimpl\ndef gfcompare_integrators():\n    "

BROKEN = {
    "hook raises": (METHOD + HOOK + "return 1 / 0", "ZeroDivisionError: division by zero"),
    "hook exits": (METHOD + HOOK + "raise SystemExit(3)", "sys.exit(3) was called"),
    "hook returns a number": (METHOD + HOOK + "return 3", "gfcompare_integrators must return a list, got 3"),
    "hook returns text": (METHOD + HOOK + "return 'mine'", "must return a list, got 'mine'"),
    "hook returns nothing": (METHOD + HOOK + "pass", "must return a list, got None"),
    "hook returns a class": (METHOD + HOOK + "return Method", "must return a list, got <class"),
    "hook returns an instance": (
        METHOD + HOOK + "return [Method()]",
        "must return classes, got Method(step_size",
    ),
    "hook returns an empty list": (METHOD + HOOK + "return []", "announces nothing"),
    "another kind of class": (
        METHOD + HOOK + "return [gfc.targets.Sine]",
        "Sine in gfcompare_integrators is not",
    ),
    "a class of something else": (
        METHOD + HOOK + "return [int]",
        "int in gfcompare_integrators is not a gfcompare",
    ),
    "abstract class": (
        METHOD.replace("gfc.StepMethod", "gfc.FlowIntegrator") + HOOK + "return [Method]",
        "Method does not define velocity",
    ),
    "no name": (
        METHOD.replace("name: ", "nom: ") + HOOK + "return [Method]",
        "Method has no class attribute 'name'",
    ),
    "name is no text": (
        METHOD.replace('"mine"', "3") + HOOK + "return [Method]",
        "no class attribute 'name'",
    ),
    "no dataclass": (
        METHOD.replace("@dataclass(frozen=True)", "") + HOOK + "return [Method]",
        "Method is not a dataclass; put @dataclass(frozen=True) before it",
    ),
    "name twice": (METHOD + HOOK + "return [Method, Method]", "the name 'mine' occurs twice in integrators"),
    "misspelt hook": (
        METHOD + HOOK.replace("integrators", "integrator") + "return [Method]",
        "unknown hook 'gfcompare_integrator'. Did you mean 'gfcompare_integrators'?",
    ),
    "misspelt hook without the decorator": (
        METHOD + HOOK.replace("integrators", "integrater").replace("@gfc.hookimpl", "") + "return [Method]",
        "unknown hook 'gfcompare_integrater'. Did you mean 'gfcompare_integrators'?",
    ),
    "hook of a strange name": (
        METHOD + HOOK.replace("gfcompare_integrators", "my_integrators") + "return [Method]",
        "unknown hook 'my_integrators'",
    ),
    "no decorator": (
        METHOD + HOOK.replace("@gfc.hookimpl", "") + "return [Method]",
        "gfcompare_integrators is not marked with @gfcompare.hookimpl",
    ),
    "one of two without the decorator": (
        METHOD + HOOK + "return [Method]\ndef gfcompare_targets(): return []",
        "gfcompare_targets is not marked with @gfcompare.hookimpl",
    ),
    "hook with an argument": (
        METHOD + HOOK.replace("()", "(registry)") + "return [Method]",
        "PluginValidationError",
    ),
    "no hook": (METHOD, "announces nothing"),
    "command is no function": (
        METHOD + "@gfc.hookimpl\ndef gfcompare_commands(): return ['hello']",
        "gfcompare_commands must return functions, got 'hello'",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_a_warning_that_names_it(case: str) -> None:
    source, cause = BROKEN[case]
    with pytest.warns(PluginWarning) as caught:
        registry = load(source)
    (warning,) = caught
    text = str(warning.message)
    assert "'theirs' of their-distribution 4.2 is not used" in text
    assert cause in text
    assert "python -m pip uninstall their-distribution" in text
    assert registry.names("integrators") == []
    assert cause in registry.plugins[-1].error


def test_a_good_plugin_is_used() -> None:
    registry = load(METHOD + HOOK + "return [Method]")
    assert registry.names("integrators") == ["mine"]
    assert registry.origin("integrators", "mine").label == "'theirs' of their-distribution 4.2"


def test_a_name_that_is_taken_is_refused_whole() -> None:
    registry = load(METHOD + HOOK + "return [Method]")
    second = (
        METHOD + HOOK + "return [Method]\n@gfc.hookimpl\ndef gfcompare_targets(): return [gfc.targets.Sine]"
    )
    with pytest.warns(
        PluginWarning, match="'mine' in integrators is already taken by 'theirs' of their-dist"
    ):
        load(second, registry)
    assert registry.names("integrators") == ["mine"]
    assert registry.names("targets") == []


def test_the_same_name_in_two_kinds_is_fine() -> None:
    assert "uniform" in plugins.registry().names("measures")
    assert "uniform" in plugins.registry().names("initializations")


class BrokenEntryPoint:
    def load(self) -> None:
        raise ImportError("No module named 'somewhere'")


class ExitingEntryPoint:
    def load(self) -> None:
        raise SystemExit("please reinstall")


@pytest.mark.usefixtures("fresh_registry")
@pytest.mark.parametrize(
    ("entry_point", "cause"),
    [
        (BrokenEntryPoint(), "ImportError: No module named 'somewhere'"),
        (ExitingEntryPoint(), r"sys\.exit\('please reinstall'\) was called"),
    ],
)
def test_a_plugin_that_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, entry_point: object, cause: str
) -> None:
    real = plugins.entry_points()
    broken = [(entry_point, Plugin("bad", "bad-distribution", "0.1"))]
    monkeypatch.setattr(plugins, "entry_points", lambda: [*broken, *real])
    with pytest.warns(PluginWarning, match=f"'bad' of bad-distribution 0.1 is not used: {cause}"):
        registry = plugins.registry()
    assert set(registry.names("integrators")) == BUILT_IN
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plugins.registry() is registry  # said once


# ---------------------------------------------------------------------------------------------------
# Single files
# ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fresh_registry")
def test_a_single_file(watched: Path) -> None:
    plugin_files.load_file(watched)
    plugin_files.load_file(watched)  # the second time it is there already
    assert gfc.integrator("watched", sleep=0.5).sleep == 0.5
    origin = plugins.registry().origin("integrators", "watched")
    assert (origin.name, origin.distribution) == ("watched.py", str(watched))
    assert origin.version == hashlib.sha256(watched.read_bytes()).hexdigest()[:12]


@pytest.mark.usefixtures("fresh_registry")
def test_moving_a_single_file_changes_nothing_and_editing_it_does(
    watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(path: Path) -> str:
        monkeypatch.setattr(plugins, "_registry", None)
        monkeypatch.setattr(plugin_files, "_files", {})
        plugin_files.load_file(path)
        study = gfc.Study(
            "s", targets={"t": gfc.targets.Sine()}, integrators={"m": gfc.integrator("watched")}
        )
        return study.cells()[0].key

    moved = tmp_path / "elsewhere" / "watched.py"
    moved.parent.mkdir()
    moved.write_text(WATCHED)
    edited = tmp_path / "edited" / "watched.py"
    edited.parent.mkdir()
    edited.write_text(WATCHED.replace("theta - step_size", "theta - 1.0 * step_size"))
    assert key(watched) == key(moved)
    assert key(watched) != key(edited)


@pytest.mark.usefixtures("fresh_registry")
@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("def f(:", "SyntaxError"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("raise SystemExit", "sys.exit(None) was called"),
        ("x = 1", "announces nothing"),
        (METHOD.replace('"mine"', '"gd"') + HOOK + "return [Method]", "already taken by 'gd' of gfcompare"),
        *BROKEN.values(),
    ],
)
def test_a_single_file_that_is_wrong_is_an_error(tmp_path: Path, source: str, cause: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(source)
    before = plugins.registry().plugins.copy()
    with pytest.raises(gfc.InputError) as caught:
        plugin_files.load_file(path)
    assert f"--plugin {path}" in str(caught.value)
    assert cause in str(caught.value)
    assert plugins.registry().plugins == before
    assert set(plugins.registry().names("integrators")) == BUILT_IN


@pytest.mark.parametrize(
    ("name", "cause"), [("none.py", "no file"), (".", "no file"), ("a.txt", "not a Python file")]
)
def test_a_single_file_that_is_not_there(tmp_path: Path, name: str, cause: str) -> None:
    (tmp_path / "a.txt").write_text("x = 1")
    with pytest.raises(gfc.InputError, match=cause):
        plugin_files.load_file(tmp_path / name)


# ---------------------------------------------------------------------------------------------------
# Installed distributions
# ---------------------------------------------------------------------------------------------------

HEAVY_BALL = {
    "gfcompare_heavy_ball.py": '''
        """Heavy ball."""

        from dataclasses import dataclass
        from typing import ClassVar

        import numpy as np

        import gfcompare as gfc


        @dataclass(frozen=True)
        class HeavyBall(gfc.StepMethod):
            """Gradient descent with momentum (Polyak)."""

            name: ClassVar[str] = "heavy-ball"
            step_size: gfc.StepSize = 0.01
            momentum: float = 0.9

            def init(self, problem, theta, rngs):
                return np.zeros_like(theta)

            def step(self, problem, theta, solver_state, step_size):
                velocity = self.momentum * solver_state - step_size * problem.gradient(theta)
                return theta + velocity, velocity


        @gfc.hookimpl
        def gfcompare_integrators():
            return [HeavyBall]
    ''',
    "gfcompare_hello.py": '''
        """A command."""

        import gfcompare as gfc


        def add(app):
            @app.command()
            def say_hello(name: str):
                """Greet somebody."""
                print(f"hello, {name}")


        @gfc.hookimpl
        def gfcompare_commands():
            return [add]
    ''',
}

BROKEN_DISTRIBUTION = {
    "broken_import.py": "import a_package_that_is_not_there",
    "broken_hook.py": "import gfcompare\n@gfcompare.hookimpl\n"
    "def gfcompare_targets():\n    raise OSError('no licence')",
    "broken_name.py": "import gfcompare\n@gfcompare.hookimpl\ndef gfcompare_target():\n    return []",
    "broken_duplicate.py": METHOD.replace('"mine"', '"gd"') + HOOK + "return [Method]",
    "broken_command.py": "import gfcompare\n@gfcompare.hookimpl\n"
    "def gfcompare_commands():\n    def add(app): raise KeyError('oops')\n    return [add]",
}


def wheel(
    folder: Path, name: str, version: str, modules: dict[str, str], others: dict[str, str] | None = None
) -> Path:
    """Build the wheel of a distribution whose modules are all entry points; no build tool is needed.

    `others` are files that are none; a module with the text "" is an entry point that is elsewhere.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    points = "".join(
        f"{m.removesuffix('.py').replace('_', '-')} = {m.removesuffix('.py')}\n" for m in modules
    )
    contents = {module: source for module, source in modules.items() if source} | (others or {})
    files = {module: textwrap.dedent(source) for module, source in contents.items()} | {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/entry_points.txt": f"[gfcompare]\n{points}",
    }
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{path},{digest(text)},{len(text.encode())}" for path, text in files.items()]
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in (files | {record: "\n".join([*lines, f"{record},,"]) + "\n"}).items():
            archive.writestr(inside, text)
    return path


def digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Environment:
    """A virtual environment that reaches gfcompare and what it needs where the tests have them."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.run([self.python, "-c", where], capture_output=True, text=True, check=True)
        here = sysconfig.get_path("purelib")
        Path(site.stdout.strip(), "outer.pth").write_text(f"import site; site.addsitedir({here!r})\n")

    def pip(self, *arguments: object) -> None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            "--disable-pip-version-check",
            *arguments,
        ]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, path: Path) -> None:
        self.pip("install", "--no-index", "--no-deps", path)

    def run(self, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return gfcompare(*arguments, cwd=cwd, python=self.python)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the third-party distribution gfcompare-heavy-ball 1.2."""
    folder = tmp_path_factory.mktemp("environment")
    made = Environment(folder / "venv")
    made.install(wheel(folder, "gfcompare-heavy-ball", "1.2", HEAVY_BALL))
    return made


@pytest.mark.install
@pytest.mark.thorough
def test_an_installed_distribution(
    environment: Environment, study_file: Callable[..., Path], tmp_path: Path
) -> None:
    listed = environment.run("plugins")
    assert listed.returncode == 0, listed.stderr
    assert listed.stderr == ""
    (line,) = [line for line in listed.stdout.splitlines() if "heavy-ball" in line and "integrators" in line]
    assert "gfcompare-heavy-ball" in line
    assert "1.2" in line
    names = environment.run("list", "integrators")
    assert "Gradient descent with momentum (Polyak)." in names.stdout
    assert names.stdout.count("gfcompare 0") == len(BUILT_IN)

    path = study_file(last="[integrators.heavy-ball]\nmomentum = [0.5, 0.9]")
    done = environment.run(
        "run", path, "--output", tmp_path / "out", "--jobs", 1, "--no-figures", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "heavy-ball[momentum 0.9]" in done.stdout
    tree = gfc.open_study(tmp_path / "out")
    assert gfc.validate(tree) == []
    assert '"distribution": "gfcompare-heavy-ball", "version": "1.2"' in tree.attrs["plugins"]
    assert list(tree["sine"]["integrator"].values) == [
        "gd",
        "heavy-ball[momentum 0.5]",
        "heavy-ball[momentum 0.9]",
    ]
    assert (tree["sine"]["status"] == gfc.Status.REACHED_END).all()
    # Without the plugin the result can still be read, here and by the commands.
    assert gfcompare("validate", tmp_path / "out").returncode == 0


@pytest.mark.install
@pytest.mark.thorough
def test_an_installed_command(environment: Environment) -> None:
    assert "say-hello" in environment.run("--help").stdout
    said = environment.run("say-hello", "Ada")
    assert (said.returncode, said.stdout, said.stderr) == (0, "hello, Ada\n", "")
    assert environment.run("say-helo", "Ada").returncode == 2


@pytest.mark.install
@pytest.mark.thorough
def test_a_broken_distribution_is_survived(
    environment: Environment, study_file: Callable[..., Path], tmp_path: Path
) -> None:
    environment.install(wheel(tmp_path, "gfcompare-trouble", "0.3", BROKEN_DISTRIBUTION))
    try:
        causes = {
            "broken-import": "ModuleNotFoundError: No module named 'a_package_that_is_not_there'",
            "broken-hook": "OSError: no licence",
            "broken-name": "unknown hook 'gfcompare_target'. Did you mean 'gfcompare_targets'?",
            "broken-duplicate": "the name 'gd' in integrators is already taken by 'gd' of gfcompare",
        }
        listed = environment.run("plugins")
        assert listed.returncode == 0
        assert "its commands cannot be added: KeyError: 'oops'" in " ".join(listed.stderr.split())
        for name, cause in causes.items():
            assert f"warning: plugin {name!r} of gfcompare-trouble 0.3 is not used: {cause}" in listed.stderr
        assert listed.stderr.count("warning:") == len(causes) + 1
        assert listed.stdout.count("NOT USED") == len(causes) + 1

        path = study_file(last="[integrators.heavy-ball]")
        done = environment.run(
            "run", path, "--output", tmp_path / "out", "--jobs", 2, "--no-figures", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("warning:") == len(causes)  # by the parent, not by every worker
        assert gfc.validate(gfc.open_study(tmp_path / "out")) == []

        # Its command fails while it is being added; the other commands are there.
        helped = environment.run("--help")
        assert "its commands cannot be added: KeyError: 'oops'" in " ".join(helped.stderr.split())
        assert "say-hello" in helped.stdout
        quiet = "import gfcompare, gfcompare.study.study, gfcompare.hooks.registry"
        subprocess.run([environment.python, "-W", "error", "-c", quiet], check=True)
    finally:
        environment.pip("uninstall", "--yes", "gfcompare-trouble")
    assert environment.run("plugins").stderr == ""


PARTED = {
    "parted.py": METHOD.replace("import gfcompare as gfc", "import gfcompare as gfc\nimport parted_helper")
    + "\n@gfc.hookimpl\ndef gfcompare_integrators():\n    return [Method]\n",
    "parted_helper.py": "FACTOR = 1.0\n",
    "parted_table.csv": "1.0\n",
}


@pytest.mark.install
@pytest.mark.thorough
@pytest.mark.parametrize("editable", [False, True])
def test_every_file_of_a_distribution_changes_the_key(
    environment: Environment, study_file: Callable[..., Path], tmp_path: Path, editable: bool
) -> None:
    """An editable installation, as build backends make it, is a path to the project and nothing else."""
    study = study_file(("[integrators.gd]\nstep_size = 0.1", "[integrators.mine]"))
    project = tmp_path / "project"
    project.mkdir()
    if editable:
        for name, text in PARTED.items():
            (project / name).write_text(text)
        built = wheel(tmp_path, "gfcompare-parted", "1.0", {"parted.py": ""}, {"_parted.pth": f"{project}\n"})
    else:
        others = {name: text for name, text in PARTED.items() if name != "parted.py"}
        built = wheel(tmp_path, "gfcompare-parted", "1.0", {"parted.py": PARTED["parted.py"]}, others)
    environment.install(built)
    code = "import sys, gfcompare as gfc; print(gfc.Study.from_toml(sys.argv[1]).cells()[0].key)"
    where = "import parted; print(parted.__file__)"

    def said(*command: object) -> str:
        done = subprocess.run(
            [environment.python, "-c", *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        folder = Path(said(where)).parent
        assert (folder == project) == editable
        before = said(code, study)
        assert said(code, study) == before
        # A data file beside a module is recorded by an installation, and by an editable one is not.
        for name in ("parted.py", "parted_helper.py") if editable else PARTED:
            text = (folder / name).read_text()
            (folder / name).write_text(text + "# edited\n")
            assert said(code, study) != before, name
            (folder / name).write_text(text)
        assert said(code, study) == before
    finally:
        environment.pip("uninstall", "--yes", "gfcompare-parted")


@pytest.mark.thorough
def test_a_single_file_works_in_worker_processes(
    study_file: Callable[..., Path], watched: Path, tmp_path: Path
) -> None:
    path = study_file(
        ("[integrators.gd]\nstep_size = 0.1", "[integrators.gd]\n[integrators.watched]\nsleep = [0, 1e-4]")
    )
    refused = gfcompare("validate", path)
    assert "unknown integrator 'watched'" in refused.stderr
    done = gfcompare(
        "run", path, "--plugin", watched, "--output", tmp_path / "out", "--jobs", 2, "--no-figures"
    )
    assert done.returncode == 0, done.stderr
    data = gfc.open_study(tmp_path / "out")["sine"].to_dataset()
    assert (data["status"] == gfc.Status.REACHED_END).all()
    by_file = data.sel(integrator=["watched[sleep 0]", "watched[sleep 0.0001]"])
    assert (by_file["gradient_evaluations"].isel(time=-1) == 10).all()
    assert (by_file["risk"].isel(integrator=0) == by_file["risk"].isel(integrator=1)).all()
