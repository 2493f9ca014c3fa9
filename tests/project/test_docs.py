"""The documentation says what the code does: every name, every option, every example."""

import ast
import re
import tomllib

import numpy as np
import pytest
from support import ROOT

import gfcompare as gfc
from gfcompare.hooks import hookspecs
from gfcompare.hooks.registry import registry
from gfcompare.results import schema, trees

DOCS = ROOT / "docs"


def code_blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.S)


def first_cells(path, heading):
    """Names in the first column of the tables under a heading."""
    section = path.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return {
        name
        for line in section.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }


def test_schema_page_lists_every_variable_with_its_dimensions_and_units():
    text = (DOCS / "schema.md").read_text(encoding="utf-8").split("## Variables")[1].split("## Status")[0]
    rows = {
        (line.split("|")[1].strip().strip("`"), *(cell.strip() for cell in line.split("|")[2:4]))
        for line in text.splitlines()
        if line.startswith("| `")
    }
    tables = (
        schema.VARIABLES,
        schema.INTERVAL_VARIABLES,
        schema.PLANE_VARIABLES,
        schema.SAMPLE_VARIABLES,
        schema.TEST_VARIABLES,
        schema.POINT_VARIABLES,
        schema.THEORY_VARIABLES,
        {schema.MACHINE: schema.MACHINES},
        schema.CERTIFICATE_VARIABLES,
    )
    expected = {(n, ", ".join(m.dims), m.units) for table in tables for n, m in table.items()}
    for cls in registry().all("diagnostics"):
        expected.add((cls.name, ", ".join(("integrator", "seed", "time", *cls.dims)), cls.units))
    assert {row for row in rows if row[0] not in ("weight_k", "bias_k")} == expected
    assert {"weight_k", "bias_k"} <= {row[0] for row in rows}


def test_schema_page_lists_every_attribute_status_and_the_version():
    text = (DOCS / "schema.md").read_text(encoding="utf-8")
    assert first_cells(DOCS / "schema.md", "Root attributes") == set(trees.ROOT_ATTRIBUTES)
    group = first_cells(DOCS / "schema.md", "Attributes of a problem group")
    assert group == {*schema.GROUP_ATTRIBUTES, "machines"}  # which only results of studies have
    assert f"`{schema.SCHEMA_VERSION}`" in text
    for status in gfc.Status:
        assert re.search(rf"\| {status.value} \| `{status.name.lower()}` \|", text)


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        ("targets", "Targets"),
        ("measures", "Measures"),
        ("initializations", "Initialisations"),
        ("integrators", "Methods"),
    ],
)
def test_study_page_lists_every_component_and_option(kind, heading):
    page = DOCS / "study-file.md"
    section = page.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    builtin = [c for c in registry().all(kind) if registry().origin(kind, c.name).distribution == "gfcompare"]
    for component in builtin:
        row = next(line for line in section.splitlines() if line.startswith(f"| `{component.name}`"))
        for option in component.fields():
            shared = option in {"label", "scale", "on_manifold"} or "the same" in row
            assert shared or f"`{option}`" in row, (component.name, option)


def test_study_page_examples_are_the_same_study(tmp_path):
    page = DOCS / "study-file.md"
    toml, quadrature, frozen, schedules, limits = code_blocks(page, "toml")
    assert gfc.Problem(
        gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform(), **tomllib.loads(frozen)
    ).frozen == ("weight_2", "biases")
    assert gfc.Limits(**tomllib.loads(limits)["limits"]) == gfc.Limits()
    assert gfc.Quadrature(**tomllib.loads(quadrature)["quadrature"]).nodes == 64
    path = tmp_path / "example.toml"
    path.write_text(toml, encoding="utf-8")
    from_file = gfc.Study.from_toml(path)
    (python,) = code_blocks(page, "python")
    names = {}
    exec(python.replace("tree = study.run", "# "), names)
    assert names["study"].spec() == from_file.spec()
    assert [c.key for c in names["study"].cells()] == [c.key for c in from_file.cells()]
    for line in schedules.strip().splitlines():
        rule = tomllib.loads(line)["step_size"]
        cls = {"polynomial": gfc.PolynomialDecay, "piecewise-constant": gfc.PiecewiseConstant}[
            rule["schedule"]
        ]
        assert cls(**rule).step_sizes(0, 3).shape == (3,)


def test_the_page_on_evaluation_shows_what_is_printed(capsys):
    page = DOCS / "evaluation.md"
    exec(code_blocks(page, "python")[0], {})
    (shown,) = code_blocks(page, "text")
    assert " ".join(capsys.readouterr().out.split()) == " ".join(shown.split())


def test_plugin_page_example_is_short_and_works(tmp_path):
    source = code_blocks(DOCS / "writing-a-plugin.md", "python")[0]
    lines = [line for line in source.splitlines() if line.strip()]
    tree = ast.parse(source)
    assert len(lines) <= 25
    assert ast.get_docstring(tree)
    names = {}
    exec(source, names)
    method = names["HeavyBall"](step_size=0.05)
    problem = gfc.Problem(gfc.ReLUNetwork((1, 4, 1)), gfc.targets.Affine(), gfc.measures.Uniform())
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(1))
    data = gfc.integrate(problem, method, theta, [0.0, 1.0, 10.0])
    assert data["risk"].values[0, -1] < data["risk"].values[0, 0]
    assert data["gradient_evaluations"].values[0].tolist() == [0, 20, 200]


def test_plugin_page_lists_every_hook():
    specs = {name for name in dir(hookspecs) if name.startswith("gfcompare_")}
    assert first_cells(DOCS / "writing-a-plugin.md", "The other hooks") == specs


def test_every_study_file_is_valid_and_named_after_itself():
    files = sorted((ROOT / "studies").glob("*.toml"))
    assert {f.stem for f in files} >= {"quickstart", "affine_target", "one_neuron", "step_size"}
    for file in files:
        assert gfc.Study.from_toml(file).name == file.stem


def test_readme_commands_are_those_that_ci_runs():
    commands = code_blocks(ROOT / "README.md", "")[0].strip().splitlines()
    assert len(commands) == 2
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    for command in commands:
        assert command in ci


def test_readme_lists_every_study_and_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for study in (ROOT / "studies").iterdir():
        if study.suffix in {".toml", ".py"}:
            assert f"`studies/{study.name}`" in text
    from gfcompare.cli import app

    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        assert f"gfcompare {name}" in text


def test_relative_links_lead_somewhere():
    for page in [ROOT / "README.md", *DOCS.glob("**/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), (page.name, link)
