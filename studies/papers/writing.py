"""Shared by the scripts for the papers: where figures go, and a caption beside each."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from matplotlib.figure import Figure


def folder(name: str) -> Path:
    """Return the folder for the figures of a paper: the first argument, or one below results/papers.

    Before anything is computed: `--help` tells what a script does, and other options are refused.
    """
    script = sys.modules["__main__"]
    parser = argparse.ArgumentParser(
        description=script.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    default = Path("results") / "papers" / name
    parser.add_argument("folder", nargs="?", type=Path, default=default, help=f"default: {default}")
    path: Path = parser.parse_args().folder
    path.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, name: str, figure: Figure, claim: str, shown: str) -> None:
    """Write a figure as PNG and PDF, and its caption: what the theorem claims and what the figure shows."""
    for extension in ("png", "pdf"):
        figure.savefig(path / f"{name}.{extension}")
    caption = "\n\n".join(" ".join(text.split()) for text in (f"Claim. {claim}", f"Shown. {shown}"))
    (path / f"{name}.txt").write_text(caption + "\n", encoding="utf-8")
    print(f"{path / name}.png\n{textwrap.indent(textwrap.fill(caption, 100), '    ')}\n")
