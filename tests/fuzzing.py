"""Mutated study files: `python tests/fuzzing.py 10000` tries so many, the tests some hundred.

Each must be a study or end with InputError, within a second, and without much memory.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from support import ROOT

import gfcompare as gfc

_STUDIES = ROOT / "studies"

#: Studies that have each kind of component, besides those in the folder studies.
SEEDS = [
    """\
name = "line"
description = "something"
seed = 3
seeds = 18
time_limit = 10.0
diagnostics = ["sharpness", "breakpoints"]
[times]
spacing = "log"
start = 0.01
end = 1e3
count = 7
[network]
widths = [[1, 4, 1], [1, 2, 2, 1]]
[measure]
name = "truncated-normal"
mean = 0.2
standard_deviation = 0.5
[initialization]
name = "he"
scale = [0.5, 1.0]
[targets.sine]
frequency = [1.0, 2]
[targets.cubic]
name = "polynomial"
coefficients = [0, 1, -2.5, 1]
[targets.pieces]
name = "piecewise-polynomial"
knots = [0.0, 0.5, 1.0]
coefficients = [[1.0, 2.0], [0.0]]
[integrators.standard-gf]
rtol = [1e-4, 1e-6]
max_steps = 1000
[integrators.gd]
step_size = 0.1
[integrators.adam]
step_size = {schedule = "polynomial", initial = 0.1, power = 0.5, scale = 10.0}
batch_size = 4
""",
    """\
name = "box"
seeds = 2
[times]
values = [0.0, 1.0, 2.0]
[network]
widths = [2, 3, 1]
[measure]
name = "box"
lower = [0, -1]
upper = 1
dimension = 2
[quadrature]
nodes = 16
coordinate = 1
[initialization]
name = "near-affine"
[targets.product]
name = "product-of-sines"
frequency = [1.0, 2.0]
[targets.powers]
name = "multivariate-polynomial"
powers = [[0, 0], [1, 2]]
coefficients = [1.0, 0.5]
[targets.bump]
name = "radial-bump"
centre = [0.5, 0.5]
[targets.ridge]
direction = [1.0, 2.0]
profile = {name = "sine", frequency = 0.5}
[targets.teacher]
widths = [2, 3, 1]
[integrators.sgd]
batch_size = 8
step_size = {schedule = "piecewise-constant", boundaries = [10], values = [0.1, 0.01]}
[integrators.momentum]
beta = 0.5
[integrators.l-bfgs]
history = 5
""",
    """\
name = "points"
seeds = 1
[times]
spacing = "linear"
end = 5.0
count = 3
[network]
widths = [1, 2, 1]
[measure]
name = "discretized"
count = 16
rule = "sobol"
measure = {name = "uniform", lower = -1.0, upper = 1.0}
[targets.step]
location = 0.5
[targets.absolute-value]
[integrators.standard-gf]
method = "explicit"
[integrators.implicit-euler]
step_size = 0.5
tolerance = 1e-6
max_iterations = 5
[integrators.modified-flow]
step_size = 0.1
""",
]

_VALUES = [
    "0", "-1", "1", "2", "17", "1000000000", "10000000000000000000000000", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "1" * 400, "9" * 5000, "0.0", "-0.0", "1e-300", "5e-324",
    "1e300", "1e400", "-1e300", "inf", "-inf", "nan", "1e9", "1e18", "0.5", "true", "false", '""', '"x"',
    '"sine"', '"gd"', '"..."', '"a/b"', '"\\u0000"', '"\\u202e"', '"\\U0001F600"', f'"{"long" * 100}"', "[]",
    "{}", "[[]]", "[{}]", "[1]", "[1, 2]", "[1.0, nan]", "[1, [2]]", "[1, 1]", "[1000000000, 1, 1]",
    "[1, 1000000000, 1]", "[" * 1200 + "]" * 1200, "[" * 90 + "1" + "]" * 90, '{name = "sine"}',
    '{name = 3}', '{a = 1, b = {c = []}}', "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z",
    str(list(range(1000))), str([0.1 + k for k in range(300)]), "'''\na\n'''", "0x7fffffffffffffff", "1_000",
    '["risk", "risk"]', '["", "x"]', '[""]', "[-1]", "[0, 0, 0]", "[1e308, -1e308]", "12345678901",
]  # fmt: skip
_NAMES = [
    "name", "seeds", "sine", "gd", "x" * 90, '""', "'é'", "'.'", '"a/b"', '"\\u0000"', "'ж'" , "values",
    "widths", "nodes", "limits", "cells", "'" + "字" * 80 + "'", "'name with space'", "''",
]  # fmt: skip
_CHARACTERS = list("[]{}=\"'\\,.#\n\t 0123456789eE+-_ax\x00é\u202e\u2028")


def mutated(rng: random.Random, text: str) -> str:
    """Return a study file with one to four things changed."""
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        where = rng.randrange(len(lines)) if lines else 0
        kind = rng.randrange(12)
        line = lines[where] if lines else ""
        key, sign, _ = line.partition("=")
        if kind <= 4 and sign:
            lines[where] = f"{key}= {rng.choice(_VALUES)}"
        elif kind == 5 and sign:
            lines[where] = f"{rng.choice(_NAMES)} = {rng.choice(_VALUES)}"
        elif kind == 6 and line.startswith("["):
            table = line.strip("[]").split(".")
            table[rng.randrange(len(table))] = rng.choice(_NAMES)
            lines[where] = f"[{'.'.join(table)}]"
        elif kind == 7:
            lines.insert(where, f"{rng.choice(_NAMES)} = {rng.choice(_VALUES)}")
        elif kind == 8 and lines:
            del lines[where]
        elif kind == 9:
            lines.insert(where, lines[rng.randrange(len(lines))] if lines else "")
        elif kind == 10 and line:
            at = rng.randrange(len(line))
            lines[where] = line[:at] + rng.choice(_CHARACTERS) + line[at + rng.randrange(2) :]
        elif kind == 11 and sign:
            values = ", ".join(str(rng.choice((0.1 * k, k))) for k in range(1, rng.choice((3, 30, 200))))
            lines[where] = f"{key}= [{values}]"
    return "\n".join(lines) + "\n"


def files(count: int, seed: int) -> Iterator[str]:
    """Yield mutated study files, the same for the same seed."""
    rng = random.Random(seed)
    whole = SEEDS + [path.read_text(encoding="utf-8") for path in sorted(_STUDIES.glob("*.toml"))]
    for _ in range(count):
        yield mutated(rng, rng.choice(whole))


def outcome(folder: Path, text: str) -> str:
    """Return "study" or the message that refuses a study file; raise whatever else comes of it."""
    path = folder / "study.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            study = gfc.Study.from_toml(path)
            for cell in study.cells()[:3]:
                assert cell.key
                assert cell.label
            assert study.spec()
        except gfc.InputError as error:
            return str(error)
    return "study"


class TooLongError(BaseException):
    """A study file was looked at for longer than a second."""


def _alarm(*_: object) -> None:
    raise TooLongError


def main(count: int, seed: int = 0) -> int:
    """Try mutated study files, print what is wrong, and return how many were."""
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
    signal.signal(signal.SIGALRM, _alarm)
    wrong, studies, slowest = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as name:
        outcome(Path(name), SEEDS[0])  # imports and compiles
        outcome(Path(name), SEEDS[1])
        for number, text in enumerate(files(count, seed)):
            began = time.perf_counter()
            signal.alarm(20)
            try:
                said = outcome(Path(name), text)
                studies += said == "study"
                if "\n" in said or len(said) > 3000:
                    raise AssertionError(f"not one short message: {said[:300]}")
            except (Exception, TooLongError) as error:
                wrong += 1
                frames = traceback.extract_tb(error.__traceback__)
                inner = ([f for f in frames if "gfcompare/" in f.filename] or frames)[-1]
                place = f"{Path(inner.filename).name}:{inner.lineno}"
                print(f"{number}: {type(error).__name__} at {place}: {str(error)[:200]}", flush=True)
                kept = Path(tempfile.gettempdir()) / f"fuzz-{seed}-{number}.toml"
                kept.write_bytes(text.encode("utf-8", "surrogatepass"))
            signal.alarm(0)
            took = time.perf_counter() - began
            if took > 1.0:
                print(f"{number}: {took:.1f} s", flush=True)
                kept = Path(tempfile.gettempdir()) / f"fuzz-slow-{seed}-{number}.toml"
                kept.write_bytes(text.encode("utf-8", "surrogatepass"))
            slowest = max(slowest, took)
    print(f"{count} files, {studies} studies, {wrong} wrong, slowest {slowest:.2f} s")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
