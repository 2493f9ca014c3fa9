"""Certificates of whole results: the file, the command, what is kept, and tables."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support import Once, in_process, refused

import gfcompare as gfc
from gfcompare import certificates
from gfcompare.certificates import Certificate, Verdict, certifying, records
from gfcompare.certificates.distinct import numbered
from gfcompare.results import schema


def _study() -> gfc.Study:
    return gfc.Study(
        "limits",
        targets={"cubic": gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0])},
        network=gfc.ReLUNetwork((1, 2, 1)),
        integrators={
            "standard-gf": gfc.integrator("standard-gf", rtol=1e-8),
            "normalized-gf": gfc.integrator("normalized-gf", rtol=1e-8),
        },
        times=gfc.Times(values=[1e2, 1e6]),
        seeds=5,
    )


@pytest.fixture
def folder(once: Once, tmp_path: Path) -> Path:
    """Return a folder with a result of both flows."""
    import shutil

    made = once("certified", lambda path: _study().run(path, jobs=1, progress=False))
    shutil.copytree(made, tmp_path / "limits")
    return tmp_path / "limits"


def test_every_trajectory_has_a_verdict_and_the_right_flow(folder):
    tree = gfc.open_study(folder)
    told = []
    frame = certificates.certify(tree, jobs=1, progress=lambda done, total: told.append((done, total)))
    assert len(frame) == 10
    assert told[-1] == (10, 10)
    assert (frame["verdict"] == "limit-proven").sum() >= 8
    assert set(frame["flow"][frame["integrator"] == "normalized-gf"]) == {"normalized"}
    assert set(frame["flow"][frame["integrator"] == "standard-gf"]) == {"standard"}
    assert (frame["time"] == 1e6).all()
    for row in frame.to_dict("records"):
        method = list(tree["cubic"]["integrator"].values).index(row["integrator"])
        state = gfc.parameters(tree["cubic"])[method, row["seed"], -1]
        assert abs(row["risk_low"] - float(tree["cubic"]["risk"][method, row["seed"], -1])) < 1e-12
        problem = gfc.Problem(
            gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), gfc.measures.Uniform()
        )
        alone = certificates.certify_state(problem, state, row["flow"])
        assert alone.limit_risk == row["limit_risk"]


def test_the_file_has_them_all_and_nothing_is_proved_twice(folder, monkeypatch):
    tree = gfc.open_study(folder)
    frame = certificates.certify(tree, jobs=1)
    groups = certificates.variables(frame, tree)
    with_them = xr.DataTree.from_dict(
        {"/": tree.to_dataset(), "cubic": tree["cubic"].to_dataset().assign(groups["cubic"].variables)}
    )
    assert gfc.validate(with_them) == []

    wrong = with_them.copy(deep=True)
    wrong["cubic"]["certificate_verdict"].values[...] = 99
    assert ["certificate_verdict" in text for text in gfc.validate(wrong)] == [True]
    lacking = tree["cubic"].to_dataset().assign(groups["cubic"].drop_vars("certificate_reason").variables)
    lacking_tree = xr.DataTree.from_dict({"/": tree.to_dataset(), "cubic": lacking})
    assert any("certificate_reason" in text for text in gfc.validate(lacking_tree))

    def never(*_):
        raise AssertionError("proved again")

    monkeypatch.setattr(certifying, "certify_state", never)
    again = certificates.certify(with_them, jobs=1)
    for column in frame:
        assert frame[column].equals(again[column]), column
    read = certificates.of_tree(with_them)
    assert read is not None
    assert read["limit_risk"].equals(frame["limit_risk"])
    with pytest.raises(AssertionError, match="proved again"):
        certificates.certify(with_them, jobs=1, again=True)
    # Other code, or another time: it is proved.
    with pytest.raises(AssertionError, match="proved again"):
        certificates.certify(with_them, jobs=1, time=1e2)
    with_them["cubic"]["certificate_verdict"].attrs[records.PROVED_BY] = "other code"
    with pytest.raises(AssertionError, match="proved again"):
        certificates.certify(with_them, jobs=1)


@pytest.mark.thorough
def test_an_interrupted_command_goes_on_where_it_was(folder, monkeypatch):
    real, proved = certifying.certify_state, []

    def counted(*arguments):
        if len(proved) == 5:
            raise KeyboardInterrupt
        proved.append(1)
        return real(*arguments)

    monkeypatch.setattr(certifying, "certify_state", counted)
    assert in_process("certify", folder, "--jobs", "1").returncode == 130
    stored = gfc.open_study(folder)["cubic"]["certificate_verdict"].values
    assert (stored == Verdict.MISSING).sum() == 5
    monkeypatch.setattr(certifying, "certify_state", lambda *a: proved.append(1) or real(*a))
    done = in_process("certify", folder, "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert len(proved) == 10
    assert "have a proved limit" in done.stdout
    assert "Critical points" in done.stdout
    assert gfc.validate(gfc.open_study(folder)) == []


@pytest.mark.thorough
def test_times_are_kept_beside_each_other(folder, tmp_path):
    assert in_process("certify", folder, "--time", "100").returncode == 0
    assert in_process("certify", folder, "--output", tmp_path / "tables").returncode == 0
    data = gfc.open_study(folder)["cubic"]
    assert data["certified_time"].values.tolist() == [1e2, 1e6]
    early, late = data["certificate_limit_risk_low"].values, data["certificate_limit_risk_high"].values
    assert (early[0] <= late[1]).all()
    assert gfc.validate(gfc.open_study(folder)) == []
    assert {path.name for path in (tmp_path / "tables").iterdir()} >= {
        "certificates.csv",
        "critical-points.tex",
    }
    # A run that finds its trajectories again keeps the certificates, another one drops them.
    _study().run(folder, jobs=1, progress=False)
    assert "certificate_verdict" in gfc.open_study(folder)["cubic"]


def test_a_time_that_was_not_saved_is_refused(folder):
    refused(in_process("certify", folder, "--time", "3"), "no save time", "1e+06")


@pytest.mark.thorough
def test_without_python_flint_one_message_names_the_extra():
    """When it is needed: not when the package is imported."""
    code = (
        "import sys; sys.modules['flint'] = None\n"
        "import gfcompare as gfc, gfcompare.certificates\n"
        "problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Sine(), gfc.measures.Uniform())\n"
        "try: gfc.certificates.certify_state(problem, [1.0, 0.0, 1.0, 0.0])\n"
        "except gfc.InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "gfcompare[certify]" in done.stdout


def test_equal_limits_have_equal_numbers():
    def limit(risk, *point):
        texts = tuple(f"[{value} +/- 1e-28]" for value in point)
        return Certificate(
            Verdict.LIMIT_PROVEN,
            "",
            critical_risk_low=risk - 1e-17,
            critical_risk_high=risk + 1e-17,
            point=texts,
        )

    found = {
        "a": limit(0.25, 1.0, 2.0),
        "b": limit(0.125, 1.0, 3.0),
        "c": limit(0.25, 1.0, 2.5),  # the same risk, another function
        "d": limit(0.25, 1.0, 2.0),
        "e": limit(0.25, 1.0),
        "f": Certificate(Verdict.NONE, ""),
    }
    numbers = numbered(found)
    assert numbers["b"] == 0
    assert numbers["a"] == numbers["d"]
    assert len({numbers[key] for key in "abce"}) == 4
    assert numbers["f"] == -1


def test_tables(folder):
    frame = certificates.certify(gfc.open_study(folder), jobs=1)
    counts = certificates.verdicts(frame)
    assert counts.drop(columns="distinct limits").to_numpy().sum() == 10
    points = certificates.limits(frame)
    assert set(points["type"]) <= {"minimum", "degenerate"} | {f"saddle of index {k}" for k in range(1, 5)}
    proven = frame[frame["verdict"] == "limit-proven"]
    assert len(points) >= proven["critical_point"].nunique()
    assert (
        points["standard-gf"].str.split().str[0].astype(int).sum()
        == (proven["integrator"] == "standard-gf").sum()
    )
    assert len(certificates.reasons(frame)) == 10 - len(proven)
    assert certificates.reasons(frame)["reason"].str.len().min() > 10 or proven.shape[0] == 10


def test_words_are_those_of_the_schema():
    assert tuple(verdict.word for verdict in Verdict) == schema.VERDICTS
    assert all(verdict.meaning for verdict in Verdict)
    fields = {field.name for field in dataclasses.fields(Certificate)}
    stored = {name.removeprefix("certificate_") for name in schema.CERTIFICATE_VARIABLES} - {"certified_time"}
    assert (fields - {"kinds"}) | {"neurons"} == stored


def test_trajectories_of_integrate_are_certified_too():
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    theta = np.array([[1.0, -0.2, -0.5, 0.1]])
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-8), theta, [0.0, 1e6])
    frame = certificates.certify(data)
    assert frame["verdict"].tolist() == ["limit-proven"]


def test_what_has_no_state_or_no_problem_says_so(folder):
    tree = gfc.open_study(folder)
    data = tree["cubic"].to_dataset()
    data["weight_1"][0, 0, -1] = np.nan
    lost = xr.DataTree.from_dict({"/": tree.to_dataset(), "cubic": data})
    frame = certificates.certify(lost, jobs=1)
    assert frame["verdict"][0] == "none"
    assert "no finite state" in frame["reason"][0]
    data.attrs["target"] = '{"name": "gone"}'
    frame = certificates.certify(xr.DataTree.from_dict({"/": tree.to_dataset(), "cubic": data}), jobs=1)
    assert set(frame["verdict"]) == {"none"}
    assert "cannot be rebuilt" in frame["reason"][0]
