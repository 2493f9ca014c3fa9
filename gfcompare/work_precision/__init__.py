"""Work-precision studies: the error of every method against what it costs, over tolerances and step sizes.

``gfcompare.work_precision.run(study)`` runs each method of a study at several settings, measures its errors
against a reference that it computes itself, and stores both; `read` opens what it stored, `summary` is
its table of medians, and `orders` the observed orders. docs/work-precision.md says how to read them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gfcompare.work_precision.contents import FILE, located, located_beside, read
from gfcompare.work_precision.summary import orders, summary, uncertainty

if TYPE_CHECKING:
    from gfcompare.work_precision.running import run

__all__ = ["FILE", "located", "located_beside", "orders", "read", "run", "summary", "uncertainty"]


def __getattr__(name: str) -> Any:
    # Whoever looks at a result looks for such a study beside it, and needs nothing of what runs one.
    if name == "run":
        return importlib.import_module("gfcompare.work_precision.running").run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
