"""Damaged files: whatever byte is wrong, nothing is read as other numbers; and names that try to escape."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import forging
import netCDF4
import pytest
import xarray as xr
from support import assert_same_numbers, in_process

import gfcompare as gfc
from gfcompare.results import checksum
from gfcompare.study.cell_format import Content, DamagedCellError, decoded, encoded, read

#: How many random damages are tried: by default, and thoroughly.
FEW = pytest.param(60, id="60")
MANY = pytest.param(1000, id="1000", marks=pytest.mark.thorough)


def damaged(rng: random.Random, whole: bytes, other: bytes) -> bytes:
    """Return a file with a random damage: flipped bits, lost or moved parts, another file's content."""
    kind = rng.choice(("bit", "bit", "bit", "byte", "cut", "cut", "zeros", "swap", "more", "front", "other"))
    data, at = bytearray(whole), rng.randrange(len(whole))
    size = min(rng.choice((1, 8, 64, 512)), len(whole) // 4)
    if kind == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        data[at] = (data[at] + rng.randrange(1, 256)) % 256
    elif kind == "cut":
        del data[at:]
    elif kind == "zeros":
        data[at : at + size] = bytes(len(data[at : at + size]))
    elif kind == "swap":
        one, two = sorted(rng.sample(range(0, len(whole) - size, size), 2))
        data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]
    elif kind == "more":
        data += rng.randbytes(size)
    elif kind == "front":
        del data[:size]
    else:
        data[at:] = other[at:]
    return bytes(data)


@pytest.mark.sampled
@pytest.mark.parametrize("count", [FEW, MANY])
def test_no_damaged_result_is_read_as_other_numbers(
    small_folder: Path, small_tree: xr.DataTree, tmp_path: Path, count: int
) -> None:
    rng, path = random.Random(1), tmp_path / "result.nc"
    whole = (small_folder / "result.nc").read_bytes()
    refused = same = 0
    for number in range(count):
        wrong = damaged(rng, whole, bytes(reversed(whole)))
        if wrong == whole:  # zeros where there were zeros
            continue
        path.write_bytes(wrong)
        try:
            tree = gfc.open_study(path)
        except gfc.InputError as error:
            refused += 1
            assert str(path) in str(error), number
            assert "\n" not in str(error), number
        else:  # cut where the checksum begins
            same += 1
            assert_same_numbers(tree, small_tree, but=())
    assert same <= 1
    assert refused > 0.8 * count


@pytest.mark.sampled
@pytest.mark.parametrize("count", [FEW, MANY])
def test_no_damaged_cell_is_read(small_folder: Path, tmp_path: Path, count: int) -> None:
    rng = random.Random(2)
    one, two = sorted((small_folder / "cells").glob("*.cell"))[:2]
    path = tmp_path / one.name
    whole, other = one.read_bytes(), two.read_bytes()
    for _ in range(count):
        wrong = damaged(rng, whole, other)
        if wrong != whole:
            path.write_bytes(wrong)
            with pytest.raises(
                DamagedCellError, match=f"^{path}: this (cell's file is damaged|is the file of)"
            ) as caught:
                read(path)
            assert "\n" not in str(caught.value)
    path.write_bytes(other)
    with pytest.raises(DamagedCellError, match="this is the file of another cell"):
        read(path)
    path.write_bytes(whole)
    assert read(path).attributes["key"] == path.stem


def test_a_damaged_result_is_one_message_of_every_command(small_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    data = bytearray((small_folder / "result.nc").read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    for command in forging.COMMANDS:
        code, said = forging.call(*forging.arguments(command, path))
        assert (code, said.count("\n")) == (2, 1), said
        assert said.startswith(f"error: {path}: damaged: its content does not have the checksum")


@pytest.mark.thorough
def test_a_result_without_a_checksum_opens_with_a_remark(
    small_folder: Path, small_tree: xr.DataTree, tmp_path: Path
) -> None:
    """Earlier versions wrote none, and a program that changes a file cuts it off."""
    path = tmp_path / "result.nc"
    whole = (small_folder / "result.nc").read_bytes()
    assert checksum.check(small_folder / "result.nc") == "checked"
    path.write_bytes(whole[:-64])
    assert checksum.check(path) == "none"
    assert_same_numbers(gfc.open_study(path), small_tree, but=())
    for command in ("info", "validate"):
        with_it, without = (in_process(command, file) for file in (small_folder / "result.nc", path))
        assert (with_it.returncode, without.returncode) == (0, 0)
        assert "has no checksum" not in with_it.stdout
        assert "has no checksum: damage to it would not be seen" in without.stdout
    shutil.copy(small_folder / "result.nc", path)
    with netCDF4.Dataset(path, "a") as data:
        data.setncattr("note", "of another program")
    assert checksum.check(path) == "none"
    assert gfc.open_study(path).attrs["note"] == "of another program"


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files stands for a full disk")
def test_a_full_disk_is_one_message(tmp_path: Path) -> None:
    code = (
        "import pathlib, resource, signal, sys, numpy as np, xarray as xr\n"
        "from gfcompare.components.errors import RunError\n"
        "from gfcompare.results.checksum import write_sealed\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "data = xr.Dataset({'x': ('y', np.arange(10_000.0))})\n"
        "path = pathlib.Path(sys.argv[1], 'result.nc')\n"
        "try:\n"
        "    write_sealed(path, lambda temporary: data.to_netcdf(temporary, engine='netcdf4'))\n"
        "except (RunError, OSError) as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "could not be written" in done.stdout or "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_other_files_have_no_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"x", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n\x09" + bytes(90), bytes(1000)):
        path.write_bytes(content)
        assert checksum.check(path) == "none"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC"):
        pass
    assert checksum.check(path) == "none"


def test_a_forged_cell_with_a_right_checksum_is_refused(small_folder: Path) -> None:
    whole = read(sorted((small_folder / "cells").glob("*.cell"))[0])
    assert encoded(decoded(encoded(whole), "x")) == encoded(whole)
    (dims, values, about) = whole.variables["risk"]
    for wrong in ((dims[:1], values, about), (("seed", "time", "x"), values, about)):
        data = encoded(Content(whole.attributes, {**whole.variables, "risk": wrong}))
        with pytest.raises(DamagedCellError, match="not the file of a cell"):
            decoded(data, "x")
    import hashlib

    for header in (b"[]", b"{", b'{"attributes": {}}', b'{"attributes": [], "variables": {}}', b"[" * 9000):
        body = b"gfcompare-cell-1" + len(header).to_bytes(8, "little") + header
        with pytest.raises(DamagedCellError, match="not the file of a cell"):
            decoded(body + hashlib.sha256(body).digest(), "x")


# ---------------------------------------------------------------------------------------------------
# What a result may do to who reads it
# ---------------------------------------------------------------------------------------------------

#: Pieces of names and texts that would do something in a terminal, a page, a table, or a path.
PIECES = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "&lt;b&gt;",
    "\\input{/etc/passwd}", "$x$ % # _ ^ ~ {}", "\\write18{touch x}", "\x1b[31m\x1b]0;title\x07", "\u202egfc",
    "../../outside", "/etc/outside", "..\\outside", "[bold]x[/bold]", "a\nb", "a\rb", "=cmd|' /C calc'!A0",
]  # fmt: skip


def hostile(rng: random.Random, folder: Path) -> forging.Groups:
    """Return a result in which texts and names are hostile."""
    tree = gfc.open_study(folder)
    groups = {"/": tree.to_dataset().copy(deep=True)}
    groups |= {str(name): node.to_dataset().copy(deep=True) for name, node in tree.children.items()}
    text = lambda: "x" + "".join(rng.sample(PIECES, 2))  # noqa: E731
    for key in ("title", "description", "created", "study_source", "gfcompare_version"):
        if rng.random() < 0.5:
            groups["/"].attrs[key] = text()
    data = groups["sine"]
    for name in ("message", "integrator"):
        if rng.random() < 0.7:
            values = data[name].values.astype(object)
            values.reshape(-1)[rng.randrange(values.size)] = text()
            data = data.assign_coords({name: values}) if name == "integrator" else data
            if name == "message":
                data = data.assign({name: (data[name].dims, values, data[name].attrs)})
            data[name].attrs = groups["sine"][name].attrs
    groups["sine"] = data
    if rng.random() < 0.3:
        groups[rng.choice(["x<img src=x onerror=alert(1)>", "x$\\%", "x[bold]"])] = groups.pop("sine")
    return groups


@pytest.mark.sampled
@pytest.mark.parametrize("count", [2, pytest.param(20, marks=pytest.mark.thorough)])
def test_texts_of_a_result_do_nothing_to_who_reads_it(
    tmp_path: Path, once: Callable[..., Path], count: int
) -> None:
    rng = random.Random(3)
    made = once("hostile", lambda folder: forging.result(folder))
    for number in range(count):
        groups = hostile(rng, made)
        home = tmp_path / str(number) / "inside"
        home.mkdir(parents=True)
        if not forging.write(groups, home / "result.nc"):
            continue
        for command in (
            ["info", home],
            ["validate", home],
            ["table", home, "--output", home / "tables"],
            ["report", home, "--output", home / "page.html"] if number % 3 == 0 else ["info", home],
            ["plot", home, "--figure", "risk", "--format", "png"],
        ):
            done = in_process(*command)
            said = done.stdout + done.stderr
            assert done.returncode in (0, 2), said
            assert not any(c in said for c in "\x1b\x07\u202e\r"), said
        outside = [path for path in (tmp_path / str(number)).iterdir() if path.name != "inside"]
        assert outside == []
        for page in home.rglob("*.html"):
            content = page.read_text(encoding="utf-8")
            assert "<script>alert" not in content
            assert "<img src=x" not in content
            assert "<svg onload" not in content
        for table in home.rglob("*.tex"):
            content = table.read_text(encoding="utf-8")
            assert "\\input{" not in content
            assert "\\write18" not in content


def test_nothing_in_a_result_is_executed(small_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    import cloudpickle

    def no(*_: object, **__: object) -> None:
        raise AssertionError("a result was unpickled")

    for module in (pickle, cloudpickle):
        for name in ("load", "loads"):
            monkeypatch.setattr(module, name, no)
    tree = gfc.open_study(small_folder)
    assert gfc.validate(tree) == []
    assert read(sorted((small_folder / "cells").glob("*.cell"))[0]).values("status").size
