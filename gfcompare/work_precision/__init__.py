"""Work-precision studies: the error of every method against what it costs, over tolerances and step sizes.

``gfcompare.work_precision.run(study)`` runs each method of a study at several settings, measures its errors
against a reference that it computes itself, and stores both; `read` opens what it stored, `summary` is
its table of medians, and `orders` the observed orders. docs/work-precision.md says how to read them.
"""

from gfcompare.results.opening import work_precision_beside as located_beside
from gfcompare.results.opening import work_precision_path as located
from gfcompare.work_precision.contents import FILE, read
from gfcompare.work_precision.running import run
from gfcompare.work_precision.summary import orders, summary, uncertainty

__all__ = ["FILE", "located", "located_beside", "orders", "read", "run", "summary", "uncertainty"]
