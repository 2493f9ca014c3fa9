"""The examples in the docstrings of public names: they are there, and they are run."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gfcompare as gfc

#: What has an example; the other public names are bases that one of these shows in use, and modules.
SHOWN: dict[str, Any] = {
    name: getattr(gfc, name)
    for name in (
        "Limits",
        "parameters",
        "PiecewiseConstant",
        "PolynomialDecay",
        "Problem",
        "Quadrature",
        "ReLUNetwork",
        "Status",
        "StepMethod",
        "Study",
        "check_optimizer",
        "divergence",
        "import_library",
        "require",
        "Times",
        "diagnose",
        "integrate",
        "integrator",
        "open_study",
        "validate",
    )
} | {
    "Study.part": gfc.Study.part,
    "figures.risk": gfc.figures.risk,
    "figures.save_all": gfc.figures.save_all,
    "initializations.He": gfc.initializations.He,
    "measures.Uniform": gfc.measures.Uniform,
    "statistics.tables": gfc.statistics.tables,
    "targets.Polynomial": gfc.targets.Polynomial,
    "testing.check_initialization": gfc.testing.check_initialization,
}
_OPTIONS = doctest.ELLIPSIS


@pytest.fixture
def workplace(tmp_path: Path, small_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the result that the examples open."""
    (tmp_path / "results").mkdir()
    shutil.copytree(small_folder, tmp_path / "results" / "quickstart")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.sampled("parameters")
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("name", SHOWN)
def test_the_example_is_there_and_right(name: str) -> None:
    text = SHOWN[name].__doc__
    assert "\nExamples\n" in "\n".join(line.strip() for line in text.splitlines())
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert len(example.examples) >= 2
    said: list[str] = []
    results = doctest.DocTestRunner(optionflags=_OPTIONS).run(example, out=said.append)
    assert results.attempted == len(example.examples)
    assert results.failed == 0, "".join(said)


def test_every_public_function_and_value_has_an_example() -> None:
    """Those that are no bases, errors or what the core makes itself."""
    made_by_the_core = {
        "Applicability",
        "Array",
        "CountedProblem",
        "InputError",
        "ProblemParts",
        "State",
        "StepSize",
        "__version__",
        "hookimpl",
    }
    bases = {
        "Component",
        "Diagnostic",
        "Evaluator",
        "FlowIntegrator",
        "GradientMethod",
        "Initialization",
        "Integrator",
        "Measure",
        "Target",
    }
    modules = {name for name in gfc.__all__ if isinstance(getattr(gfc, name), ModuleType)}
    rest = set(gfc.__all__) - made_by_the_core - bases - modules
    assert rest <= set(SHOWN)
