"""Names of the parts of a grid: what tells a method or a problem from its neighbours, as short text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from gfcompare.components.component import plain
from gfcompare.components.errors import normalized

# What options are called in the names of a grid; of some the value says enough.
_CALLED = {"step_size": "step", "batch_size": "batch", "name": "", "widths": ""}


def label(key: str, value: Any) -> str:
    """Return what an option and its value are called in the names of a grid: ``step 0.1``."""
    return f"{_CALLED.get(key, key.replace('_', ' '))} {short_text(value)}".strip()


def joined(name: str, labels: Sequence[str]) -> str:
    """Return a name with what tells it from its neighbours in a grid: ``gd[step 0.1]``."""
    text = ", ".join(part for part in labels if part)
    return f"{name}[{text}]" if text else name


def short_text(value: Any) -> str:
    """Return a value as short text for a name."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = f"{value:g}"
        return text if float(text) == value else repr(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        called = str(fields.pop("schedule", getattr(value, "name", type(value).__name__)))
        defaults = {f.name: f.default for f in dataclasses.fields(value)}
        parts = [
            f"{key}={short_text(item)}" for key, item in fields.items() if plain(item) != plain(defaults[key])
        ]
        return f"{called}({';'.join(parts)})" if parts else called
    if isinstance(value, list | tuple):
        return "-".join(short_text(item) for item in value)
    return re.sub(r"[/\\\x00-\x1f\x7f]", "_", normalized(str(plain(value))))
