"""Names that become groups, variables and files: one text is one name, in either form of Unicode."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from support import examples

import gfcompare as gfc
from gfcompare.components.errors import is_name, known_name, normalized
from gfcompare.hooks import announced
from gfcompare.study.grids import checked_name

PROPERTY = examples(200)
COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
HEAD = """name = "s"
seeds = 2
[times]
end = 10.0
count = 5
[network]
widths = [1, 3, 1]
"""


def study_file(folder, *lines):
    path = folder / "study.toml"
    path.write_text(HEAD + "\n".join(lines), encoding="utf-8")
    return path


@PROPERTY
@given(st.text(max_size=8))
def test_a_name_is_accepted_in_one_form(text):
    """What is accepted is composed, has nothing that parts folders, and is accepted again as it is."""
    try:
        name = checked_name(text, "targets")
    except gfc.InputError as error:
        assert str(error).startswith("targets: a name starts with")
        return
    assert name == unicodedata.normalize("NFC", text)
    assert not set("/\\\0\n\t") & set(name)
    assert checked_name(name, "targets") == name
    assert checked_name(unicodedata.normalize("NFD", name), "targets") == name


@pytest.mark.parametrize("name", ["a/b", "a\\b", "", ".", "..", "a\n", " a", "x" * 81, 7, None])
def test_what_is_no_name(name):
    assert not is_name(name)
    with pytest.raises(gfc.InputError, match="no '/', no"):
        checked_name(name, "name")


def test_a_known_name_is_found_in_either_form():
    for known in (COMPOSED, DECOMPOSED):
        for chosen in (COMPOSED, DECOMPOSED):
            assert known_name("problem", chosen, ("sine", known)) == known
    with pytest.raises(gfc.InputError, match=f"unknown problem 'cafe'. Did you mean '{COMPOSED}'"):
        known_name("problem", "cafe", ("sine", COMPOSED))
    assert normalized(DECOMPOSED) == COMPOSED


def test_two_forms_of_one_name_are_refused(tmp_path):
    for table, options in (("targets", 'name = "sine"'), ("integrators", 'name = "gd"')):
        other = "[integrators.gd]" if table == "targets" else "[targets.sine]"
        path = study_file(
            tmp_path, other, f'[{table}."{DECOMPOSED}"]', options, f'[{table}."{COMPOSED}"]', options
        )
        with pytest.raises(gfc.InputError) as caught:
            gfc.Study.from_toml(path)
        for part in ("study.toml", table, r"'cafe\u0301'", r"'caf\xe9'", COMPOSED, "two forms of Unicode"):
            assert part in str(caught.value)


def test_labels_of_grids_are_names(tmp_path):
    """Text in a grid becomes part of a name, without what parts folders, and in one form."""

    def named(**texts):
        return gfc.targets.Table(**texts)

    file = tmp_path / "data.csv"
    file.write_text(f"x,{DECOMPOSED},a\\b\n0,1,2\n1,2,3\n", encoding="utf-8")
    study = gfc.Study(
        "grid",
        targets={"table": [named(path=file, y=DECOMPOSED), named(path=file, y="a\\b")]},
        integrators={"gd": gfc.integrator("gd")},
    )
    names = [spec.name for spec in study.problems]
    assert names == [f"table[y {COMPOSED}]", "table[y a_b]"]


@pytest.mark.thorough
def test_a_study_in_decomposed_names(tmp_path):
    """It is stored composed, and each choice by name takes both forms."""
    path = study_file(
        tmp_path,
        f'[targets."{DECOMPOSED}"]',
        'name = "sine"',
        "[targets.sine]",
        f'[integrators."{DECOMPOSED}"]',
        'name = "gd"',
        "[integrators.standard-gf]",
    )
    study = gfc.Study.from_toml(path)
    tree = study.run(tmp_path / "result", jobs=1)
    assert list(tree.children) == [COMPOSED, "sine"]
    stored = xr.open_datatree(tmp_path / "result" / "result.nc")
    assert list(stored.children) == list(tree.children)
    stored.close()
    for name in (COMPOSED, DECOMPOSED):
        assert gfc.figures.risk(tree, problems=[name], methods=[name]) is not None
        differences = gfc.statistics.paired_differences(tree, baseline=name)
        assert set(differences["against"]) == {COMPOSED}
        times = gfc.statistics.time_to_target(tree, {name: [0.4]})
        assert {index[0] for index in times.index} == {COMPOSED}
    assert np.isfinite(tree[COMPOSED]["risk"].values[:, :, 0]).all()


@pytest.mark.parametrize("name", [DECOMPOSED, "a/b", "a\\b", "-a"])
def test_a_component_with_a_bad_name_is_refused(name):
    """Its name becomes that of a method, a variable or a file."""
    found = type("Odd", (gfc.integrator("gd").__class__,), {"name": name, "__dataclass_fields__": {}})
    with pytest.raises(gfc.InputError, match="Odd has the name"):
        announced.check_class("integrators", found)
