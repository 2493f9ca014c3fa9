"""The command line as its users meet it: help, exit codes, messages, what is printed."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from rich.console import Console
from support import PATIENCE, TINY, gfcompare, in_process, refused

import gfcompare as gfc
from gfcompare import cli
from gfcompare.hooks import hookspecs, registry
from gfcompare.system import process_end, progress

Write = Callable[..., Path]
COMMANDS = ("run", "plot", "list", "info", "validate", "plugins")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A whole `gfcompare run` but for its figures: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("ran")
    text = TINY.replace("[targets.sine]", "[targets.sine]\n[targets.'a step']\nname = 'step'")
    text = text.replace("end = 1.0\ncount = 3", "values = [0.5, 1.0, 400.0]")
    text += "[integrators.wild]\nname = 'gd'\nstep_size = 30.0\n[integrators.sgd]\nstep_size = 0.1\n"
    (folder / "tiny.toml").write_text(text)
    return folder, gfcompare("run", "tiny.toml", "--output", "out", "--jobs", 1, "--no-figures", cwd=folder)


def called(*arguments: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Call the command line in this process, where it must refuse its arguments; return the message."""
    monkeypatch.setattr("warnings.showwarning", cli.show_warning)
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert "Traceback" not in err
    return " ".join(re.sub("[│╭╮╰╯─]", " ", err).split())


# ---------------------------------------------------------------------------------------------------
# Help
# ---------------------------------------------------------------------------------------------------


def test_help_lists_the_commands() -> None:
    done = gfcompare("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for command in COMMANDS:
        assert re.search(rf"^. {command} ", done.stdout, flags=re.MULTILINE)
    assert "Start with: gfcompare run studies/quickstart.toml" in " ".join(done.stdout.split())


@pytest.mark.sampled("list")
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_prose(command: str) -> None:
    done = in_process(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ Usage: .*" + command, done.stdout, flags=re.MULTILINE)
    assert re.search(r"^ [A-Z][^.]{20,}\.", done.stdout, flags=re.MULTILINE)  # a sentence
    for option in re.findall(r"^│ [* ] *(--?\S+) .*$", done.stdout, flags=re.MULTILINE):
        assert option.startswith("--")


def test_nothing_given_is_help() -> None:
    done = gfcompare()
    assert "Usage: gfcompare" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_version() -> None:
    done = gfcompare("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"gfcompare {gfc.__version__}\n", "")


def test_the_installed_script() -> None:
    script = Path(sys.executable).with_name("gfcompare")
    if not script.exists():
        pytest.skip("gfcompare is not installed as a script here")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"gfcompare {gfc.__version__}\n"


# ---------------------------------------------------------------------------------------------------
# A run, and what can be done with it
# ---------------------------------------------------------------------------------------------------


def test_run_prints_a_table_and_the_paths(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = ran
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert re.search(
        r"^problem +method +final risk +quartiles +failed +gradients +time *$", out, re.MULTILINE
    )
    assert re.search(
        r"^sine +gd +[0-9.e-]+ +[0-9.e-]+ \.\. [0-9.e-]+ +0 % +4,000 +[0-9.e-]+ s$", out, re.MULTILINE
    )
    assert re.search(r"^ +sgd +.* +128,000 \* +[0-9.e-]+ s$", out, re.MULTILINE)
    assert re.search(r"^ +wild +inf +inf \.\. inf +100 % ", out, re.MULTILINE)
    assert re.search(r"^a step +gd ", out, re.MULTILINE)
    assert re.search(
        r"^sine / wild: 2 of 2 seeds diverged, seed 0: \|theta\| left 1e\+10 at step", out, re.MULTILINE
    )
    assert re.search(r"^6 cells computed, 0 found finished, [0-9.]+ s$", out, re.MULTILINE)
    assert re.search(r"^result +out/result.nc$", out, re.MULTILINE)
    assert not (folder / "out" / "figures").exists()
    assert (folder / "out" / "result.nc").is_file()
    assert gfc.validate(gfc.open_study(folder / "out")) == []


@pytest.mark.thorough
def test_run_draws_every_figure_in_every_format(tmp_path: Path, study_file: Write) -> None:
    done = gfcompare("run", study_file(), "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^figures +out/figures/$", done.stdout, re.MULTILINE)
    drawn = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    for name in ("risk", "risk_by_gradients", "final_risk", "fit"):
        assert {f"{name}.{extension}" for extension in ("png", "pdf", "svg")} <= drawn
        assert re.search(rf"^ +{name} \(png, pdf, svg\)$", done.stdout, re.MULTILINE)


def test_progress_is_plain_lines_when_there_is_no_terminal(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    err = ran[1].stderr
    assert "\x1b" not in err
    lines = [line for line in err.splitlines() if line.startswith("cells ")]
    assert len(lines) == 6
    for number, line in enumerate(lines, start=1):
        assert re.fullmatch(
            rf"cells {number}/6, trajectories {2 * number}/12, \d+ s left: .+ / seeds 0-1 took [0-9.]+ s",
            line,
        )
    assert lines[-1].startswith("cells 6/6, trajectories 12/12, 0 s left")


@pytest.mark.thorough
def test_plot(ran: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    result = ran[0] / "out"
    done = in_process("plot", result, "--figure", "risk", "--format", "png", "--output", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (tmp_path / "drawn").iterdir()] == ["risk.png"]
    assert str(tmp_path / "drawn") in done.stdout


@pytest.mark.thorough
def test_plot_says_that_a_figure_could_not_be_drawn(
    ran: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(figure: Figure, temporary: Path, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Figure, "savefig", full)
    done = in_process("plot", ran[0] / "out", "--figure", "risk", "--output", tmp_path / "drawn")
    assert done.returncode == 1
    assert "figure 'risk' is not drawn: OSError: [Errno 28] No space left on device" in done.stderr


@pytest.mark.thorough
def test_ctrl_c_has_a_word_wherever_it_is_pressed(
    ran: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(figure: Figure, temporary: Path, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", interrupted)
    monkeypatch.setattr(process_end, "ignore_interrupts", lambda: None)  # of all tests that follow
    done = in_process("plot", ran[0] / "out", "--figure", "risk", "--output", tmp_path / "drawn")
    assert (done.returncode, done.stderr) == (130, "Stopped.\n")


@pytest.mark.thorough
def test_info_of_a_result(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    done = in_process("info", ran[0] / "out" / "result.nc")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"made 20\d\d-.* with gfcompare {re.escape(gfc.__version__)}, schema ", done.stdout)
    assert "a step: integrator 3, seed 2, time 4, neuron_1 3" in done.stdout
    assert re.search(r"^sine +gd ", done.stdout, re.MULTILINE)


def test_info_of_a_study(study_file: Write) -> None:
    done = in_process("info", study_file(("step_size = 0.1", "step_size = [0.1, 0.2]")))
    assert (done.returncode, done.stderr) == (0, "")
    out = done.stdout
    assert "4 save times from 0 to 1 (flow time)" in out
    assert "2 seeds, study seed 0, 2 cells" in out
    assert "problem sine: sine, network 1-3-1 (10 parameters), uniform, he" in out
    assert "method gd[step 0.1]: gd (step_size = 0.1, normalize = False)" in out


@pytest.mark.thorough
def test_validate(ran: tuple[Path, subprocess.CompletedProcess[str]], study_file: Write) -> None:
    done = in_process("validate", ran[0] / "out")
    assert (done.returncode, done.stdout) == (0, f"{ran[0] / 'out'}: a valid result.\n")
    path = study_file()
    done = in_process("validate", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{path}: a valid study with 1 problem and 1 method\.\n", done.stdout)


@pytest.mark.parametrize("kind", hookspecs.KINDS)
def test_list(kind: hookspecs.Kind, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["list", kind])
    assert not caught.value.code
    out, err = capsys.readouterr()
    assert err == ""
    assert re.match(r"name +what it is +from *\n", out)
    for name in registry.registry().names(kind):
        assert re.search(rf"^{name} ", out, re.MULTILINE)


def test_list_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["list", "integrators", "sgd"])
    out = capsys.readouterr().out
    assert "Stochastic gradient descent" in out
    options = out.split("Options and defaults\n")[1].splitlines()
    assert [line.split(" = ")[0].strip() for line in options] == ["step_size", "batch_size", "normalize"]


def test_list_one_with_something_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["list", "targets", "table"])
    assert "path = (required)" in capsys.readouterr().out


@pytest.mark.thorough
def test_plugins() -> None:
    done = in_process("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^gd +gfcompare +\S+ +gd \(integrators\)", done.stdout, re.MULTILINE)
    assert "NOT USED" not in done.stdout


def shown_on_a_terminal(*arguments: object, **environment: str) -> str:
    """Return what a command writes to a terminal; that of a notebook sets variables of its environment."""
    import pty

    leader, follower = pty.openpty()
    own = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "JPY_PARENT_PID")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gfcompare.cli", *map(str, arguments)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=own | environment,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait(timeout=60 * PATIENCE) == 0, shown.decode()
    return shown.decode()


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_is_a_live_bar_on_a_terminal(tmp_path: Path, study_file: Write) -> None:
    path = study_file(("[targets.sine]", "[targets.sine]\n[targets.step]"), ("end = 1.0", "end = 50.0"))
    arguments = ("run", path, "--output", tmp_path / "out", "--jobs", 1, "--no-figures")
    text = shown_on_a_terminal(*arguments, TERM="xterm", COLUMNS="120", LINES="40")
    assert "\x1b[" in text
    assert "━" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert re.search(r"cells 0/2 ", plain)
    assert re.search(r"\d/4 trajectories .*left", plain)
    assert "took" not in plain  # no plain lines
    assert "2 cells computed, 0 found finished" in plain


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_is_plain_lines_in_a_notebook(
    ran: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, study_file: Write
) -> None:
    jupyter = {"TERM": "xterm-color", "CLICOLOR": "1", "FORCE_COLOR": "1", "JPY_PARENT_PID": "1"}
    arguments = ("run", study_file(), "--output", tmp_path / "out", "--jobs", 1, "--no-figures")
    for text in (
        shown_on_a_terminal(*arguments, **jupyter),
        shown_on_a_terminal("verify", ran[0] / "out", "--seeds", 1, **jupyter),
    ):
        assert not re.search(r"\x1b\[[0-9?]*[A-HJKhl]", text)  # no cursor is moved, no line taken back
        assert "\r" not in text.replace("\r\n", "")
        assert text.count("\n") < 60
    # A terminal of 80 columns would break the table.
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown_on_a_terminal("run", *arguments[1:], **jupyter))
    assert re.search(r"^problem +method +final risk +quartiles +failed +gradients +time\s*$", text, re.M)


@pytest.mark.parametrize(("seconds", "last"), [(0.0, 100), (0.0, 40), (0.0, 7), (29.0, 100), (90.0, 100)])
def test_a_long_run_says_a_line_for_a_twentieth_or_a_minute(
    seconds: float, last: int, study_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells of some seconds each, into a file that rich takes for a terminal."""
    now = 0.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now))
    shown = io.StringIO()
    console = Console(file=shown, _environ={"FORCE_COLOR": "1"}, width=200, highlight=False)
    assert console.is_terminal
    display = progress.Display(console)
    cells = gfc.Study.from_toml(study_file(("seeds = 2", f"seeds = {16 * last}"))).cells()
    assert len(cells) == last
    display.begin(cells, [])
    for cell in cells:
        now += seconds
        display.cell_done(cell, seconds)
    display.end(last)
    text = shown.getvalue()
    assert "\x1b" not in text
    said = [int(number) for number in re.findall(rf"^cells (\d+)/{last},", text, re.M)]
    assert len(said) == text.count("\n")
    apart = {0.0: max(1, last // 20), 29.0: 3, 90.0: 1}[seconds]
    assert said == sorted({*range(apart, last + 1, apart), last})


# ---------------------------------------------------------------------------------------------------
# Bad input: exit code 2, one message, no traceback
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_bad_input_as_a_process(study_file: Write, tmp_path: Path) -> None:
    """In this process: below."""
    path = study_file(("[targets.sine]", "[targets.sinus]"))
    refused(
        gfcompare("run", path), f"error: {path}: targets.sinus: unknown target 'sinus'. Did you mean 'sine'?"
    )
    assert not (tmp_path / "results").exists()


#: Arguments with {study} and {result} for good ones, {bad} for a study with a mistake; parts of the message.
REFUSED: list[tuple[str, list[str]]] = [
    ("run {bad}", ["{bad}: integrators.gd: unknown key 'step'. Did you mean 'step_size'?"]),
    ("run none.toml", ["none.toml: cannot be read (No such file or directory)"]),
    ("run .", ["cannot be read (Is a directory)"]),
    ("run", ["Missing argument 'STUDY'"]),
    ("run {study} --jobs 0", ["jobs must be at least 1, got 0."]),
    ("run {study} --jobs many", ["Invalid value for '--jobs'"]),
    ("run {study} --job 2", ["No such option", "--jobs"]),
    ("run {study} --output {study}", ["output folder", "study.toml"]),
    ("run {study} extra", ["unexpected extra argument", "extra"]),
    ("run {study} --plugin none.py", ["--plugin: no file 'none.py'"]),
    ("run {study} --plugin {study}", ["is not a Python file"]),
    ("run {result}", ["is not a text file in UTF-8"]),
    ("plot none", ["no result at 'none': expected a folder with result.nc"]),
    ("plot {study}", ["no result at 'results/tiny'", "expected a folder with result.nc"]),
    ("plot {result} --figure rsik", ["rsik", "Did you mean 'risk'?"]),
    ("plot {result} --format jpeg", ["unknown figure format 'jpeg'", "Allowed: gif, mp4, pdf, png, svg"]),
    ("plot", ["Missing argument 'RESULT|STUDY'"]),
    ("list", ["Missing argument 'KIND'"]),
    ("list target", ["unknown kind 'target'. Did you mean 'targets'? Allowed: diagnostics, evaluators,"]),
    ("list targets sinus", ["unknown target 'sinus'. Did you mean 'sine'?"]),
    ("info none", ["none: cannot be read"]),
    ("info none.nc", ["no result at 'none.nc'"]),
    ("info .", ["no result at '.': expected a folder with result.nc"]),
    ("info {bad}", ["unknown key 'step'"]),
    ("validate none.toml", ["cannot be read"]),
    ("validate .", ["no result at '.'"]),
    ("validate {bad}", ["{bad}: integrators.gd: unknown key 'step'"]),
    ("validate", ["Missing argument"]),
    ("plugins extra", ["unexpected extra argument", "extra"]),
    ("plugins --plugin none.py", ["no file 'none.py'"]),
    ("--verbose", ["No such option"]),
    ("list integrator", ["unknown kind 'integrator'. Did you mean 'integrators'?"]),
    ("rnu {study}", ["No such command 'rnu'"]),
]


@pytest.mark.parametrize(("arguments", "parts"), REFUSED, ids=[a for a, _ in REFUSED])
def test_bad_input(
    arguments: str,
    parts: list[str],
    study_file: Write,
    small_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {"study": study_file(), "bad": tmp_path / "bad.toml", "result": small_folder / "result.nc"}
    known["bad"].write_text(TINY.replace("step_size", "step"))
    given = [word.format(**known) for word in arguments.split()]
    message = called(*given, capsys=capsys, monkeypatch=monkeypatch)
    for part in parts:
        assert part.format(**known) in message, message
    assert not (tmp_path / "results").exists()


def test_an_error_of_the_system_is_one_message(
    study_file: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gfcompare.study.merging.merge", full)
    monkeypatch.setattr("warnings.showwarning", cli.show_warning)
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", str(study_file()), "--output", str(tmp_path / "out"), "--jobs", "1"])
    assert caught.value.code == 1
    assert "error: [Errno 28] No space left on device" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "cells").glob("*.cell"))) == 1


@pytest.mark.thorough
def test_names_with_brackets_are_printed_as_they_are(study_file: Write, tmp_path: Path) -> None:
    path = study_file(("[targets.sine]", "[targets.'x [bold] y']\nname = 'sine'"))
    done = in_process("run", path, "--output", tmp_path / "[red]out", "--jobs", 1, "--no-figures")
    assert done.returncode == 0, done.stderr
    assert "x [bold] y" in done.stdout
    assert "x [bold] y / gd" in done.stderr
    assert f"{tmp_path}/[red]out/result.nc" in done.stdout
    message = refused(in_process("validate", tmp_path / "[red]none.toml"))
    assert "[red]none.toml" in message
