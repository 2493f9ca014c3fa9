"""Forged results: `python tests/forging.py 300` damages a result so often, the tests some dozen times.

Every command on each of them must end well, or with one message and exit code 2: never with a traceback.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import gfcompare as gfc
from gfcompare import cli

Groups = dict[str, xr.Dataset]

COMMANDS = ("validate", "info", "table", "verify", "plot", "report")
_ATTRIBUTES: list[Any] = [
    "", "x", "{", "[]", "{}", "null", "3", '{"name": 3}', '{"name": "none-such"}', '{"name": "sine", "x": 1}',
    '{"kind": "exact"}', '{"kind": "points"}', '{"kind": 3}', "NaN", '"text"', 3, -1, 1.5, float("nan"),
    np.array([1, 2, 3]), np.array([0.5, float("inf")]), [1, 10**9, 1], [1, 4, 4, 1], "99.0", "1.4.1",
    "[" * 2000, "\u202e\x1b[31m", "<b>&amp;</b>", "1" * 5000,
    '{"problems": 3, "integrators": []}', '{"problems": {"sine": 3}}',
    '{"integrators": {"gd": {"name": 1}}}',
    '[{"name": "x"}]', '[3]', '[[]]', '{"python": 3}', '{"kind": "preintegration", "nodes": "x"}',
    '{"name": "polynomial", "coefficients": [[[]]]}', '{"name": "points"}',
    '{"name": "uniform", "upper": -5}',
]  # fmt: skip


def result(folder: Path) -> xr.DataTree:
    """Run a small study: an interval and its checks of theorems, with a trajectory that diverges."""
    study = gfc.Study(
        "forged",
        targets={"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        integrators={
            "standard-gf": gfc.integrator("standard-gf"),
            "normalized-gf": gfc.integrator("normalized-gf"),
            "gd": gfc.integrator("gd", step_size=0.05),
        },
        network=gfc.ReLUNetwork((1, 3, 1)),
        times=gfc.Times(start=0.5, end=5.0, count=3),
        seeds=2,
    )
    return study.run(folder, jobs=1)


def _attribute(rng: random.Random, data: xr.Dataset) -> None:
    owner = rng.choice([data, data, data, *data.variables.values()])
    if owner.attrs:
        key = rng.choice(sorted(owner.attrs))
        if rng.random() < 0.3:
            del owner.attrs[key]
        else:
            owner.attrs[key] = rng.choice(_ATTRIBUTES)


def _without(rng: random.Random, data: xr.Dataset) -> xr.Dataset:
    return data.drop_vars(rng.choice(sorted(map(str, data.variables))))


def _other_dims(rng: random.Random, data: xr.Dataset) -> xr.Dataset:
    name = rng.choice(sorted(map(str, data.data_vars)))
    one = data[name]
    if one.ndim and rng.random() < 0.5:
        return data.assign({name: one.isel({one.dims[rng.randrange(one.ndim)]: 0}, drop=True)})
    renamed = {dim: f"{dim}_" for dim in one.dims[:1]}
    dims = tuple(renamed.get(dim, dim) for dim in one.dims)
    return data.drop_vars(name).assign({name: (dims, one.values, one.attrs)})


def _other_type(rng: random.Random, data: xr.Dataset) -> xr.Dataset:
    name = rng.choice(sorted(map(str, data.variables)))
    one = data[name]
    kind = rng.choice(("f4", "f8", "i8", "U"))
    values = np.zeros(one.shape) if one.dtype.kind in "OU" and kind != "U" else one.values
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = values.astype(object).astype(str) if kind == "U" else np.nan_to_num(values).astype(kind)
    return data.assign({name: (one.dims, values, one.attrs)})


def _values(rng: random.Random, data: xr.Dataset) -> xr.Dataset:
    name = rng.choice(
        [*sorted(map(str, data.variables)), "status", "integrator", "options", "time", "on_manifold"]
    )
    one = data[name]
    values = one.values.copy()
    if values.dtype.kind == "f":
        fill: Any = rng.choice((np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, 5e-324))
    elif values.dtype.kind in "iu":
        fill = rng.choice((99, -1, 0, 1, 127))
    else:
        values = values.astype(object)
        fill = rng.choice(("", "a/b", "\x1b[31m", "{", "gd", "x" * 300, "none", '{"name": 1}', "é" * 200))
    if values.size and rng.random() < 0.5:
        values.reshape(-1)[rng.randrange(values.size)] = fill
    else:
        values[...] = fill
    return data.assign({name: (one.dims, values, one.attrs)})


def _fewer(rng: random.Random, data: xr.Dataset) -> xr.Dataset:
    dim = rng.choice(sorted(map(str, data.sizes)))
    return data.isel({dim: slice(rng.choice((0, 1)))})


_DAMAGES: list[Callable[[random.Random, xr.Dataset], xr.Dataset | None]] = [
    _attribute, _attribute, _attribute, _attribute,
    _without, _other_dims, _other_type, _values, _values, _fewer,
]  # fmt: skip


def forged(tree: xr.DataTree, count: int, seed: int) -> Iterator[Groups]:
    """Yield the groups of damaged results, the same for the same seed."""
    rng = random.Random(seed)
    while count:
        groups = {"/": tree.to_dataset().copy(deep=True)}
        groups |= {str(name): node.to_dataset().copy(deep=True) for name, node in tree.children.items()}
        for _ in range(rng.choice((1, 1, 1, 2))):
            name = rng.choice(["/", *groups])
            if name == "/":
                _attribute(rng, groups["/"])
            elif rng.random() < 0.03:
                del groups[name]
            else:
                groups[name] = rng.choice(_DAMAGES)(rng, groups[name]) or groups[name]
        count -= 1
        yield groups


def write(groups: Groups, path: Path) -> bool:
    """Write the groups of a result, and return whether netCDF can hold them."""
    path.unlink(missing_ok=True)
    try:
        xr.DataTree.from_dict(groups).to_netcdf(path, engine="netcdf4")
    except Exception:
        return False
    return True


def call(*arguments: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code and what it said of errors."""
    said = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(said):
        warnings.simplefilter("ignore")
        cli.err.file, cli.out.file = said, io.StringIO()
        try:
            cli.main(list(arguments))
        except SystemExit as error:
            code = error.code
        finally:
            cli.err.file = cli.out.file = None  # type: ignore[assignment]
    return int(code or 0) if not isinstance(code, str) else 1, said.getvalue()


def arguments(command: str, path: Path) -> list[str]:
    """Return the arguments of a command on a result, without what takes long."""
    return [command, str(path), *(["--seeds", "1"] if command == "verify" else [])]


def wrong_commands(groups: Groups, folder: Path, reports: bool, plotted: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the commands on a damaged result, if netCDF can hold it.

    Parameters
    ----------
    groups : of the result
    folder : for its file
    reports : write a report, which takes long, also where the result is not refused
    plotted : further arguments of the command plot
    """
    whole, path = folder / "whole.nc", folder / "result.nc"
    if not write(groups, whole):
        return
    code = 0
    for command in COMMANDS:
        if command == "report" and code == 0 and not reports:
            continue
        path.write_bytes(whole.read_bytes())
        given = [command, str(path), *plotted] if command == "plot" else arguments(command, path)
        try:
            code, said = call(*given)
        except Exception as error:
            stack = traceback.extract_tb(error.__traceback__)
            places = [f"{Path(f.filename).name}:{f.lineno}" for f in stack if "gfcompare/" in f.filename]
            yield f"{command}: {type(error).__name__} at {places[-2:]}: {str(error)[:150]}"
            continue
        if code not in (0, 1, 2) or (code == 2 and not said.splitlines()[-1].startswith(("error: ", "  - "))):
            yield f"{command}: exit code {code}: {said[:300]}"


def main(count: int, seed: int = 0, every_figure: int = 0) -> int:
    """Try damaged results, print what is wrong, and return how many commands were."""
    plotted = ["--format", "png", *([] if every_figure else ["--figure", "risk"])]
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result(folder / "out")
        assert call("verify", str(folder / "out"), "--seeds", "1")[0] == 0
        tree = gfc.open_study(folder / "out")
        for number, groups in enumerate(forged(tree, count, seed)):
            if number % 10 == 0:
                print(f"{number} of {count}", flush=True)
            for text in wrong_commands(groups, folder, number % 20 == 19, plotted):
                wrong += 1
                print(f"{number} {text}", flush=True)
    print(f"{count} results, {wrong} wrong commands")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
