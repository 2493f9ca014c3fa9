"""Tables from files: what is read is what the file says; what is in doubt is refused by row and column."""

from __future__ import annotations

import csv
import gzip
import io

import netCDF4
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import examples

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.system.tabular_files import read_table

PROPERTY = examples(60)
RAW = {"standardize": False, "test_fraction": 0.0}

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=6)


def data_set(path, text, **options):
    path.write_text(text, encoding="utf-8")
    return measures.DataSet(path, outputs="y", **{**RAW, **options})


@PROPERTY
@given(
    st.lists(NAMES, min_size=1, max_size=4, unique_by=lambda name: "".join(name.split()).casefold()),
    st.data(),
)
def test_what_was_written_is_read_to_the_bit(tmp_path_factory, names, data):
    number = st.floats(allow_nan=False, allow_infinity=False)
    rows = data.draw(st.lists(st.tuples(*[number] * len(names)), min_size=1, max_size=5))
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    try:
        table = read_table(path)
    except gfc.InputError as error:
        assert "have one name" in str(error)  # compatible forms of one letter
        return
    np.testing.assert_array_equal(np.column_stack(list(table.values())), np.array(rows))


@PROPERTY
@given(
    columns=st.integers(2, 5),
    count=st.integers(1, 6),
    change=st.sampled_from([-2, -1, 1, 2]),
    data=st.data(),
)
def test_a_row_of_another_length_is_refused_wherever_it_is(tmp_path_factory, columns, count, change, data):
    bad = data.draw(st.integers(0, count - 1))
    length = max(columns + change, 1)
    rows = [["1"] * (length if at == bad else columns) for at in range(count)]
    path = tmp_path_factory.mktemp("ragged") / "data.csv"
    header = ",".join("abcde"[:columns])
    path.write_text("\n".join([header, *map(",".join, rows)]))
    with pytest.raises(
        gfc.InputError, match=rf"data\.csv: row {bad + 1} \(line {bad + 2}\) has {length} "
    ) as e:
        read_table(path)
    assert f"the header {columns}; column " in str(e.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # one unnamed column more: pandas makes the first an index, so that every column shifts
        ("x,y\n0.0,0.10,7\n0.2,0.30,7\n", ("row 1 (line 2)", "3 cells, the header 2", "column 3: '7'")),
        ("x,y,z\n0.0,0.10,7,\n0.2,0.30,7,\n", ("row 1 (line 2)", "4 cells", "column 4: ''")),
        ("x,y\n0,1\n0.5\n", ("row 2 (line 3)", "1 cells", "column 'y'")),
        ("x,y\n\n0,1\n\n0.5,1,2\n", ("row 2 (line 5)",)),
        ("u,v,y\n0,1,0.1\n0.2,?,0.3\n0.5,3,0.6\n", ("row 2 (line 3)", "column 'v'", "'?' is not a number")),
        ("u,y\n0,0.1\n1_000,0.3\n", ("row 2", "column 'u'", "'1_000'")),
        ("u,y\n0,0.1\n1,\n", ("row 2", "column 'y'", "missing")),
        ("u,y\n0,0.1\n1,NA\n", ("row 2", "column 'y'", "missing")),
        ("u,y\ninf,0.1\n1,2\n", ("row 1", "column 'u'", "infinite")),
        (",u,y\n0,1,0.1\n1,2,0.3\n", ("header", "no name for column 1", "index=False")),
        ("u,y,\n0,1,\n1,2,\n", ("header", "no name for column 3")),
        ("u,y,u\n0,1,2\n", ("columns 1 and 3", "'u'")),
        ("caf\u00e9,y,cafe\u0301\n0,1,2\n", ("columns 1 and 3", "'caf\u00e9'")),
    ],
)
def test_what_is_in_doubt_is_refused(tmp_path, text, parts):
    path = tmp_path / "data.csv"
    with pytest.raises(gfc.InputError) as caught:
        data_set(path, text)
    for part in ("data.csv", *parts):
        assert part in str(caught.value)


def test_what_is_not_wanted_may_be_in_doubt(tmp_path):
    """With the inputs named, an index, a text and a text elsewhere do no harm."""
    text = ",u,v,name,y\n7,0,1,a,0.1\n8,0.2,?,b,0.3\n"
    found = data_set(tmp_path / "data.csv", text, inputs=["u"])
    np.testing.assert_array_equal(found.points, [[0.0], [0.2]])
    np.testing.assert_array_equal(found.labels, [[0.1], [0.3]])
    table = targets.Table(tmp_path / "data.csv", "u", "y")
    assert np.allclose(table.at(np.array([[0.1]])), 0.2)
    with pytest.raises(gfc.InputError, match=r"row 2 \(line 3\), column 'v': '\?' is not a number"):
        targets.Table(tmp_path / "data.csv", "u", "v")


def test_columns_are_chosen_in_either_form_of_unicode(tmp_path):
    text = "cafe\u0301,y\n0,0.1\n0.2,0.3\n"
    for name in ("caf\u00e9", "cafe\u0301"):
        found = data_set(tmp_path / "data.csv", text, inputs=[name])
        np.testing.assert_array_equal(found.points, [[0.0], [0.2]])


def test_compressed_files_and_files_of_other_kinds(tmp_path):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"x,y\n0,0.1\n0.2,0.3\n"))
    np.testing.assert_array_equal(measures.DataSet(path, outputs="y", **RAW).points, [[0.0], [0.2]])
    path.write_bytes(b"not compressed")
    with pytest.raises(gfc.InputError, match=r"data\.csv\.gz cannot be read"):
        measures.DataSet(path, outputs="y", **RAW)
    path = tmp_path / "data.npz"
    np.savez(path, x=np.arange(300.0), y=np.arange(300.0))
    with pytest.raises(gfc.InputError, match=r"not a text file in UTF-8.*CSV and netCDF"):
        measures.DataSet(path, outputs="y", **RAW)


def test_netcdf_in_doubt(tmp_path):
    """pandas and xarray store the number of each row as a coordinate; a matrix is no column."""
    frame = pd.DataFrame({"x": [0.0, 0.2, 0.5], "y": [0.1, 0.3, 0.6]})
    path = tmp_path / "data.nc"
    frame.to_xarray().to_netcdf(path)
    with pytest.raises(gfc.InputError, match=r"data\.nc: variable 'index' numbers the rows"):
        measures.DataSet(path, outputs="y", **RAW)
    assert measures.DataSet(path, outputs="y", inputs="x", **RAW).dimension == 1
    # A coordinate that does not is an input like any other.
    frame.set_index("x").to_xarray().to_netcdf(path)
    np.testing.assert_array_equal(measures.DataSet(path, outputs="y", **RAW).points[:, 0], frame["x"])
    with netCDF4.Dataset(path, "a") as file:
        file.createDimension("two", 2)
        file.createVariable("wide", "f8", ("x", "two"))[:] = 1.0
    with pytest.raises(gfc.InputError, match="variable 'wide' has 2 dimensions"):
        measures.DataSet(path, outputs="y", **RAW)
    assert measures.DataSet(path, outputs="y", inputs="x", **RAW).dimension == 1
