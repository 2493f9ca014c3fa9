"""Drawing the figures of a result: their options as text, and what is said about them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gfcompare.cli.base import out, plain
from gfcompare.components.errors import InputError, unknown_name

if TYPE_CHECKING:
    import xarray as xr


def draw(
    tree: xr.DataTree,
    folder: Path,
    names: Sequence[str] | None = None,
    formats: Sequence[str] | None = None,
    options: Sequence[str] = (),
) -> list[str]:
    """Draw figures into a folder, print which, and in one line which are left out and why.

    Returns
    -------
    list of str
        the figures that could not be drawn; a warning has said why
    """
    from gfcompare import figures

    said: list[str] = []
    paths = figures.save_all(
        tree, folder, names=names, formats=formats, options=parsed(options, names), log=said.append
    )
    written: dict[str, list[str]] = {}
    for path in paths:
        written.setdefault(path.stem, []).append(path.suffix[1:])
    out.print(plain(f"figures  {folder}/"))
    for stem, forms in sorted(written.items()):
        out.print(plain(f"         {stem} ({', '.join(forms)})"))
    skipped = [line.replace(": skipped: ", " (", 1) + ")" for line in said if ": skipped: " in line]
    if skipped:
        out.print(plain(f"left out {', '.join(skipped)}"))
    return [line.partition(":")[0] for line in said if line.endswith(": not drawn")]


def parsed(options: Sequence[str], names: Sequence[str] | None) -> dict[str, Any]:
    """Return options of figures given as KEY=VALUE, the value as in a study file; quotes may be left out.

    Parameters
    ----------
    options : as they were given
    names : of the figures that are drawn; None for those that are drawn by default

    Raises
    ------
    InputError
        if no such figure has the option, or not with such a value
    """
    if not options:
        return {}
    from gfcompare.hooks.registry import registry

    every = registry().all("figures")
    classes = [cls for cls in every if (cls.by_default if names is None else cls.name in names)]
    found = {}
    for text in options:
        key, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--option {text!r}: expected KEY=VALUE, such as size=column.")
        owner = next((cls for cls in classes if key in cls.fields()), None)
        if owner is None:
            known = sorted({name for cls in classes for name in cls.fields()})
            raise unknown_name("option of these figures:", key, known).within("--option")
        found[key] = _checked(owner.name, key, toml_value(value))
    return found


def toml_value(text: str) -> Any:
    """Return a value as TOML has it, or the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _checked(figure: str, key: str, value: Any) -> Any:
    """Return the value of an option of a figure, with its type; a single one may stand for a list."""
    from gfcompare.hooks.plain_data import component

    def made(given: Any) -> Any:
        table: Mapping[str, Any] = {"name": figure, key: given}
        return getattr(component("figures", table, "--option"), key)

    try:
        return made(value)
    except InputError as error:
        if "must be a list" not in str(error) or isinstance(value, list):
            raise
        try:
            return made([value])
        except InputError:
            raise error from None
