"""Reading a study file (TOML): strict, with errors that say where, what is allowed and what comes nearest."""

from __future__ import annotations

import tomllib
import typing
from pathlib import Path
from typing import Any

from gfcompare.components.component import require
from gfcompare.components.errors import InputError, unknown_name
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.hooks.hookspecs import Kind
from gfcompare.hooks.plain_data import Reader
from gfcompare.network import ReLUNetwork
from gfcompare.study.limits import Limits, check_count
from gfcompare.study.times import Times
from gfcompare.system.paths import user_path

#: The keys of a study file, which are also the arguments of `gfcompare.Study`.
FIELDS = (
    "name",
    "description",
    "seed",
    "seeds",
    "time_limit",
    "diagnostics",
    "limits",
    "times",
    "network",
    "measure",
    "quadrature",
    "frozen",
    "initialization",
    "targets",
    "integrators",
)


def read(path: str | Path) -> dict[str, Any]:
    """Return the arguments of `gfcompare.Study` that a study file describes, its text as `source`.

    Raises
    ------
    InputError
        naming the key, what was given, what is allowed and the nearest valid name
    """
    file = user_path(path)
    if file.suffix.lower() == ".py" and file.is_file():
        raise InputError(f"is a Python script and not a study file. Run it with: python {path}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error}).") from None
    except UnicodeDecodeError:
        raise InputError("is not a text file in UTF-8.") from None
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise InputError("not valid TOML: too many brackets within brackets.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML: {error}") from None
    except ValueError:  # of Python's
        raise InputError("not valid TOML: a whole number with thousands of digits.") from None
    return _StudyReader(file.parent).fields(table) | {"source": text}


class _StudyReader(Reader):
    """Turns the tables of a study file into the arguments of `gfcompare.Study`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, lambda counts, where: check_count(counts, self._limits, where))
        self._limits = Limits()

    def fields(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of `gfcompare.Study` that a file's table describes."""
        for key in table:
            if key not in FIELDS:
                raise unknown_name("key", key, FIELDS)
        for key in ("name", "targets", "integrators"):
            require(key in table, f"the key {key!r} is missing.")
        fields: dict[str, Any] = {}
        if "limits" in table:  # first: what grids may have depends on them
            given = self.dataclass(Limits, self.table(table["limits"], "limits"), "limits")
            self._limits = fields["limits"] = self.single(given, "limits")
        for key, hint in (
            ("name", str),
            ("description", str),
            ("seed", int),
            ("seeds", int),
            ("time_limit", float),
            ("diagnostics", list[str]),
            ("frozen", list[str]),
        ):
            if key in table:
                fields[key] = self.value(hint, table[key], key)
        if "times" in table:
            fields["times"] = self.single(
                self.dataclass(Times, self.table(table["times"], "times"), "times"), "times"
            )
        if "network" in table:
            fields["network"] = self._networks(self.table(table["network"], "network"))
        if "measure" in table:
            fields["measure"] = self.component("measures", table["measure"], "measure")
        if "quadrature" in table:
            entries = self.table(table["quadrature"], "quadrature")
            fields["quadrature"] = self.single(
                self.dataclass(Quadrature, entries, "quadrature"), "quadrature"
            )
        if "initialization" in table:
            fields["initialization"] = self.component(
                "initializations", table["initialization"], "initialization"
            )
        for key, kind in (("targets", "targets"), ("integrators", "integrators")):
            entries = self.table(table[key], key)
            require(bool(entries), f"{key} must name at least one.")
            fields[key] = {
                name: self.component(typing.cast(Kind, kind), entry, f"{key}.{name}", default=name)
                for name, entry in entries.items()
            }
        return fields

    def _networks(self, table: dict[str, Any]) -> list[ReLUNetwork]:
        for key in table:
            if key != "widths":
                raise unknown_name("key", key, ["widths"]).within("network")
        require("widths" in table, "network: the key 'widths' is missing, such as widths = [1, 16, 1].")
        try:
            return [ReLUNetwork(w) for w in self.grid(list[int], table["widths"], "network.widths")]
        except InputError as error:
            raise error if str(error).startswith("network") else error.within("network.widths") from None
