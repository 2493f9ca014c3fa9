"""What the code that determines numbers looked like: part of the identity of every stored cell."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

# Everything a trajectory's numbers depend on, besides the components of a study, which name their own source.
_PLACES = (
    "kernels/*.py",
    "diagnostics/*.py",
    "evaluators/*.py",
    "measures/*.py",
    "targets/*.py",
    "cvode.py",
    "descent.py",
    "explicit.py",
    "flow.py",
    "integration.py",
    "interface.py",
    "kinks.py",
    "sliding.py",
    "lines.py",
    "moments.py",
    "network.py",
    "piecewise.py",
    "problem.py",
    "quadrature.py",
    "study.py",
)


@functools.cache
def fingerprint() -> str:
    """Return a hash of the source files: a cell that older code computed is not taken for a new one's."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for place in _PLACES:
        for path in sorted(here.glob(place)):
            digest.update(path.relative_to(here).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
