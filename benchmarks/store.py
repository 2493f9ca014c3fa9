"""The file of results: each part with the machine it was measured on, the newest run of each."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Result
from gfcompare.system.threads import available_cores

FILE = Path(__file__).parent / "results" / "benchmarks.json"

_PACKAGES = (
    *("gfcompare", "numpy", "numba", "scipy", "scikit-sundae", "torch", "torchdiffeq", "geoopt"),
    *("jax", "diffrax", "pymanopt"),
)


def machine() -> dict[str, Any]:
    """Return what a reader must know about where this runs."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def record(row: Result) -> dict[str, Any]:
    """Return a row as it is written."""
    fields = dataclasses.asdict(row)
    details = fields.pop("details")
    return {**fields, "ratio": row.ratio, "ratio_at_least": row.ratio_at_least, **details}


def load(file: Path = FILE) -> dict[str, Any]:
    """Return the parts that were measured; empty if there are none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def save(part: str, rows: Sequence[Result], seconds: float, file: Path = FILE) -> None:
    """Put a part into the file, in place of what was there for it."""
    parts = load(file)
    parts[part] = {
        "date": datetime.date.today().isoformat(),
        "seconds": round(seconds, 1),
        "machine": machine(),
        "results": [record(row) for row in rows],
    }
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
