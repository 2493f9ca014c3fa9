"""Execution of what the documentation shows: Python, commands, the manual itself."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import typer
from support import PATIENCE, ROOT, TINY, in_process

import gfcompare as gfc
from gfcompare.hooks.registry import registry

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.S | re.M)


def fences(page):
    """Language and text of every block of code on a page, in order."""
    return _FENCE.findall(page.read_text(encoding="utf-8"))


def smaller(text):
    """A study, in TOML or in Python, with few seeds, save times and families of methods, and a short time."""
    for key, value in {"seeds": "4", "count": "4", "end": "1.0"}.items():
        text = re.sub(rf"\b({key} ?= ?)[\d.]+", rf"\g<1>{value}", text)
    return re.sub(r"^(method = \[)[^\]]*", r'\g<1>"ndf", "bdf"', text, flags=re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as the pages assume it: studies, made smaller, a plugin and a study for it."""
    folder = tmp_path_factory.mktemp("manual")
    shutil.copytree(ROOT / "studies", folder / "studies", ignore=shutil.ignore_patterns("papers"))
    for file in (folder / "studies").glob("*.toml"):
        file.write_text(smaller(file.read_text(encoding="utf-8")), encoding="utf-8")
    plugin = next(text for language, text in fences(DOCS / "writing-a-plugin.md") if language == "python")
    (folder / "heavy_ball.py").write_text(plugin, encoding="utf-8")
    (folder / "study.toml").write_text(TINY + "\n[integrators.heavy-ball]\n", encoding="utf-8")
    return folder


def provide_results(folder, text):
    """Run the studies whose results a text reads, unless they have been run."""
    for name in sorted(set(re.findall(r"results/(\w+)", text))):
        path, output = folder / "studies" / f"{name}.toml", folder / "results" / name
        if path.exists() and name != "work_precision" and not (output / "result.nc").exists():
            gfc.Study.from_toml(path).run(output, jobs=1)


@pytest.mark.sampled
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(language == "python" for language, _ in fences(page))],
    ids=lambda page: page.stem,
)
def test_python_of_a_page_runs(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": page.stem.replace("-", "_")}
    for language, text in fences(page):
        if language == "python":
            provide_results(folder, text)
            exec(compile(smaller(text), page.name, "exec"), names)


def commands(page):
    """The gfcompare commands in the shell blocks of a page."""
    for language, text in fences(page):
        if language == "":
            yield from re.findall(r"(?:^|&& )gfcompare ([^&\n]+)", text, re.M)


@pytest.mark.sampled("list integrators --plugin heavy_ball.py")
@pytest.mark.parametrize("command", dict.fromkeys(c.strip() for page in PAGES for c in commands(page)))
def test_commands_of_the_pages_run(command, folder):
    if "--dask tcp" in command or "/scratch/" in command:
        pytest.skip("needs a cluster; tests/study runs shards and a scheduler of its own")
    command = command.replace("--time 1e4", "--time 1")  # the studies here are short
    # Figures are drawn by .ci/run.
    if not command.startswith("run "):
        provide_results(folder, command)
    result = in_process(
        *command.split(), *(["--no-figures"] if command.startswith("run ") else []), cwd=folder
    )
    assert result.returncode == 0, result.stderr


def test_every_command_that_is_mentioned_exists_with_its_options():
    from gfcompare.cli import app

    known = typer.main.get_command(app).commands
    mentioned = [
        (page.name, call)
        for page in PAGES
        for call in (
            *re.findall(r"`gfcompare ([a-z][^`\n]*)`", page.read_text(encoding="utf-8")),
            *re.findall(r'["!]gfcompare ([a-z][^"\n]*)', page.read_text(encoding="utf-8")),
            *commands(page),
        )
    ]
    assert len(mentioned) > 20
    for page, call in mentioned:
        name, *rest = call.split()
        assert name in known, (page, call)
        options = {option for p in known[name].params for option in (*p.opts, *p.secondary_opts)}
        assert {word for word in rest if word.startswith("-")} <= options, (page, call)


def test_toml_of_the_pages_can_be_read():
    for page in PAGES:
        for language, text in fences(page):
            if language == "toml" and "schedule =" not in text:  # test_docs.py reads these line by line
                tomllib.loads(text)


def test_every_figure_has_a_script_of_at_most_twenty_lines():
    scripts = {path.stem.removeprefix("plot_"): path for path in (DOCS / "examples").glob("plot_*.py")}
    assert set(registry().names("figures")) <= set(scripts)
    for name, path in scripts.items():
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 20, name
        assert "\nfigure = " in text, name  # what docs/conf.py puts on the page


def test_api_page_lists_every_public_name():
    text = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    for name in gfc.__all__:
        if name != "__version__":
            assert re.search(rf"\bgfcompare\.{name}\b", text), name


@pytest.mark.thorough
def test_manual_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    for module in ("sphinx", "furo", "myst_nb", "numpydoc", "sphinx_copybutton", "sphinx_gallery"):
        pytest.importorskip(module, reason="the manual is built with the extra gfcompare[docs]")
    source = tmp_path / "docs"
    made = shutil.ignore_patterns("_build", "figures", "generated", "results")
    shutil.copytree(DOCS, source, ignore=made)
    shutil.copytree(DOCS.parent / "studies", tmp_path / "studies", ignore=made)  # what pages link to
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", source, tmp_path / "html"],
        capture_output=True,
        text=True,
        timeout=600 * PATIENCE,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "html").rglob("*.html"))
    assert {"index.html", "tutorial.html", "plot_risk.html", "gfcompare.Problem.html"} <= {
        p.name for p in pages
    }
    for page in pages:
        assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?:', page.read_text(encoding="utf-8"))
