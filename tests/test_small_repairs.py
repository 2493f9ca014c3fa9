"""Needs and messages of calls: layers joined again, quadrature where there is none, progress."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import examples, in_process, refused

import gfcompare as gfc


@examples(50)
@given(
    st.lists(st.integers(1, 4), min_size=3, max_size=5),
    st.lists(st.integers(1, 3), max_size=2),
    st.integers(0, 2**32 - 1),
)
def test_join_is_the_inverse_of_layers(widths: list[int], leading: list[int], seed: int) -> None:
    network = gfc.ReLUNetwork(widths)
    theta = np.random.default_rng(seed).normal(size=(*leading, network.parameter_count))
    layers = network.layers(theta)
    np.testing.assert_array_equal(network.join(layers), theta)
    np.testing.assert_array_equal(network.join([(each.weight, each.bias) for each in layers]), theta)
    mixed: list[Any] = [layers[0], *((each.weight, each.bias) for each in layers[1:])]
    np.testing.assert_array_equal(network.join(mixed), theta)


@pytest.mark.parametrize("wrong", [1.0, (1.0,), (1.0, 2.0, 3.0)])
def test_what_is_no_layer_is_refused(wrong: Any) -> None:
    network = gfc.ReLUNetwork((1, 2, 1))
    with pytest.raises(gfc.InputError, match=r"each layer must be \(weight, bias\)"):
        network.join([wrong, network.layers(np.ones(7))[1]])


def test_a_quadrature_rule_is_refused_where_it_would_do_nothing(study_file: Callable[..., Path]) -> None:
    shallow, rule = gfc.ReLUNetwork((1, 3, 1)), gfc.Quadrature(nodes=64)
    with pytest.raises(gfc.InputError, match="under 'uniform' the risk is integrated exactly"):
        gfc.Problem(shallow, gfc.targets.Sine(), gfc.measures.Uniform(), rule)
    points = gfc.measures.Points([[0.0], [1.0]])
    with pytest.raises(gfc.InputError, match="under 'points' the risk is a sum over points"):
        gfc.Problem(shallow, gfc.targets.Sine(), points, rule)
    square = gfc.Problem(
        gfc.ReLUNetwork((2, 3, 1)), gfc.targets.Affine([[1.0, 1.0]]), gfc.measures.Box(), rule
    )
    assert square.rule is not None
    assert square.rule.nodes == 64
    path = study_file(last="[quadrature]\nnodes = 64")
    parts = ("study.toml", "problem 'sine'", "is integrated exactly", "Leave it out ([quadrature] in a study")
    refused(in_process("validate", path), *parts)


@pytest.mark.sampled("validate")
@pytest.mark.parametrize("command", ["run", "validate", "info", "work-precision"])
def test_a_script_is_run_by_python(command: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import gfcompare\n")
    refused(in_process(command, script), f"python {script}", "a Python script and not a study file")


def study(**changes: Any) -> gfc.Study:
    return gfc.Study(
        "s",
        targets={"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        integrators={"gd": gfc.integrator("gd", step_size=0.1)},
        network=gfc.ReLUNetwork((1, 2, 1)),
        times=gfc.Times(values=[1.0]),
        seeds=2,
        **changes,
    )


@pytest.mark.thorough
def test_a_study_shows_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study().run(tmp_path / "one", jobs=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "cells 1/2, trajectories 2/4" in err
    assert "cells 2/2, trajectories 4/4" in err
    study().run(tmp_path / "one", jobs=1)
    assert capsys.readouterr().err == "2 of 2 cells are finished already\n"
    study().run(tmp_path / "two", jobs=1, progress=False)
    assert capsys.readouterr() == ("", "")


SCRIPT = textwrap.dedent("""
    import gfcompare as gfc

    gfc.Study(
        "s",
        targets={"sine": gfc.targets.Sine()},
        integrators={"gd": [gfc.integrator("gd", step_size=s) for s in (0.1, 0.2, 0.3)]},
        network=gfc.ReLUNetwork((1, 2, 1)),
        times=gfc.Times(values=[1.0]),
        seeds=2,
    ).run("out", jobs=1)
""")


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("notebook", [False, True])
def test_a_script_shows_a_bar_at_a_terminal_and_lines_in_a_notebook(tmp_path: Path, notebook: bool) -> None:
    import os
    import pty

    main, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("JPY_PARENT_PID", None)
    if notebook:
        environment["JPY_PARENT_PID"] = "1"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, stdout=other, stderr=other, env=environment
    ) as process:
        os.close(other)
        text = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # Linux says so that the other end is closed
                break
            if not part:
                break
            text += part
    os.close(main)
    assert process.returncode == 0, text
    assert (b"\x1b[?25l" in text) is not notebook  # the cursor is hidden while a bar moves
    assert (b"cells 3/3, trajectories 6/6" in text) is notebook
