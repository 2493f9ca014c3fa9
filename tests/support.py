"""Shared by several tests: small studies, plugin sources, and the command line, in a process or here."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import settings

from gfcompare import cli
from gfcompare.cli import extending
from gfcompare.hooks import plugin_files, registry

#: The folder of the checkout.
ROOT = Path(__file__).parent.parent

#: The factor of every time limit of a subprocess, for machines ten times slower: limits only end what hangs.
PATIENCE = 10

#: A function that makes a folder, by name, with what fills it; the fixture `once` is one.
Once = Callable[[str, Callable[[Path], object]], Path]

#: The factor of the number of examples of property tests: one by default, more under the profile `thorough`.
_MORE = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1

#: A study of a fraction of a second: one target, one method.
TINY = """\
name = "tiny"
seeds = 2

[times]
end = 1.0
count = 3

[network]
widths = [1, 3, 1]

[targets.sine]

[integrators.gd]
step_size = 0.1
"""

#: A method on which a study can be watched: it sleeps, raises, or kills its process.
WATCHED = textwrap.dedent('''\
    """A method for tests of the runner."""

    import os
    import time
    from dataclasses import dataclass
    from typing import ClassVar

    import gfcompare as gfc


    @dataclass(frozen=True)
    class Watched(gfc.StepMethod):
        """Gradient descent that sleeps at each step, or misbehaves."""

        name: ClassVar[str] = "watched"
        step_size: float = 0.1
        sleep: float = 0.0
        act: str = ""

        def step(self, problem, theta, solver_state, step_size):
            time.sleep(self.sleep)
            if self.act == "raise":
                raise ArithmeticError("deliberately wrong")
            if self.act == "raise for some" and (theta[:, 0] > 0).any():
                raise ArithmeticError("positive first weight")
            if self.act == "die":
                os._exit(7)
            return theta - step_size * problem.gradient(theta), solver_state


    @gfc.hookimpl
    def gfcompare_integrators():
        return [Watched]
''')


def examples(count: int) -> settings:
    """Return settings of a property test with so many examples by default; the profile sets the rest."""
    return settings(max_examples=count * _MORE)


def gfcompare(
    *arguments: object,
    cwd: Path | None = None,
    python: str | Path = sys.executable,
    timeout: float = 60 * PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [str(python), "-m", "gfcompare.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def in_process(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process, without the seconds that a process takes to import everything.

    For what says, draws or writes the same there; Ctrl-C, threads, `sys.exit` and crashes take a process:
    `gfcompare`. Plugins that a command names are forgotten.
    """
    given = [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    with (
        _plugins_forgotten()
        if any("--plugin" in argument for argument in given)
        else contextlib.nullcontext(),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")  # they are shown, as in a process
        try:
            cli.main(given)
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int), code
    return subprocess.CompletedProcess(given, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _plugins_forgotten() -> Iterator[None]:
    """Load plugins anew, as a process does, and leave nothing of those that a command names."""
    modules, path = set(sys.modules), list(sys.path)
    added = (cli.app.registered_commands, cli.app.registered_groups)
    before = [list(commands) for commands in added]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_registry", None)
        patch.setattr(plugin_files, "_files", {})
        patch.setattr(extending, "_found", {})
        try:
            yield
        finally:
            for now, then in zip(added, before, strict=True):
                now[:] = then
            sys.path[:] = path
            for name in set(sys.modules) - modules:
                if name.startswith("gfcompare_plugin_"):
                    del sys.modules[name]


def refused(result: subprocess.CompletedProcess[str], *parts: str) -> str:
    """Check that a command ended with exit code 2 and one message with these parts; return the message."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout.strip() == ""
    message = " ".join(result.stderr.split())
    for part in parts:
        assert part in message, message
    return message


def assert_same_numbers(one: xr.DataTree, other: xr.DataTree, *, but: Sequence[str] = ("wall_time",)) -> None:
    """Check that two results are the same to the bit, clocks aside."""
    assert list(one.children) == list(other.children)
    for name in one.children:
        a, b = one[name].to_dataset(), other[name].to_dataset()
        assert set(a.variables) == set(b.variables)
        for variable in a.variables:
            if variable not in but:
                assert_same_bits(a[variable].values, b[variable].values, f"{name}/{variable}")


def assert_same_bits(a: np.ndarray, b: np.ndarray, where: str) -> None:
    assert a.shape == b.shape, where
    if a.dtype.kind == "f":
        a, b = a.view(np.uint64), b.view(np.uint64)
    np.testing.assert_array_equal(a, b, err_msg=where)
