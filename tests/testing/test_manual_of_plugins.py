"""The page on plugins says what is so: the template, every check as it reads when it fails, the ports."""

from __future__ import annotations

import re
from typing import Any

import pytest
from faults import FAULTS
from support import ROOT

import gfcompare as gfc
from gfcompare.cli.new_plugin import Names, files_of
from gfcompare.testing.suite import CHECKS, conformance, subject_of

PAGE = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
HEADINGS = {
    "integrators": "a method",
    "targets": "a target",
    "measures": "a measure",
    "evaluators": "an evaluator",
    "initializations": "an initialisation",
    "diagnostics": "a diagnostic",
    "figures": "a figure",
}


def rows(kind: str) -> dict[str, str]:
    """Name of each check in the table of a kind, and how it reads when it fails."""
    section = PAGE.split(f"### Checks of {HEADINGS[kind]}\n", 1)[1].split("\n#", 1)[0]
    found = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section, re.M)
    return {name: text.replace("\\|", "|") for name, text in found}


def without_numbers(text: str) -> str:
    return re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", text)


@pytest.mark.parametrize("kind", CHECKS)
def test_the_page_says_how_each_check_reads_when_it_fails(kind: Any) -> None:
    """Numbers may round otherwise elsewhere."""
    planted = {check: cls for (of, check), cls in FAULTS.items() if of == kind}
    assert set(rows(kind)) == set(planted)
    for check, cls in planted.items():
        (outcome,) = conformance(subject_of(kind, cls), only=[check]).outcomes
        message = outcome.message.partition(" See docs/")[0]
        assert without_numbers(rows(kind)[check]) == without_numbers(message), check
        anchor = outcome.message.partition("#")[2].rstrip(".")
        assert anchor == f"checks-of-{HEADINGS[kind].replace(' ', '-')}"


def test_the_page_starts_from_what_the_template_writes() -> None:
    assert BLOCKS[0] == files_of(Names.of("heavy-ball", "integrator"))["gfcompare_heavy_ball.py"]


def define(block: str, names: dict[str, Any]) -> None:
    exec(compile(block, "page", "exec", dont_inherit=True), names)


def ports() -> dict[str, type[Any]]:
    """The methods of the section on porting, defined as a reader would."""
    section = PAGE.split("## Port your optimiser", 1)[1]
    names: dict[str, Any] = {"__name__": "ports"}
    define(BLOCKS[0], names)
    for block in re.findall(r"```python\n(.*?)```", section, re.S):
        assert block.count("\n") <= 22
        define(block, names)
    return {key: names[key] for key in ("NewtonCG", "TorchNAdam", "OptaxLion")}


@pytest.mark.sampled("NewtonCG")
@pytest.mark.parametrize(
    ("name", "needs"),
    [("NewtonCG", ()), ("TorchNAdam", ("torch",)), ("OptaxLion", ("jax", "optax"))],
    ids=["NewtonCG", "TorchNAdam", "OptaxLion"],
)
def test_the_ports_pass_the_checks(name: str, needs: tuple[str, ...]) -> None:
    for module in needs:
        pytest.importorskip(module)
    gfc.testing.check_integrator(ports()[name])
