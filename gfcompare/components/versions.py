"""Versions of the libraries with which numbers are computed: part of what determines them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata

#: Version of gfcompare.
VERSION = "0.1.0"
__version__ = VERSION

#: Distributions whose code takes part in every trajectory: another version may round otherwise.
NUMERICAL = ("numpy", "scipy", "numba", "llvmlite", "scikit-sundae")

# Modules that are not called as their distributions are.
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "sksundae": "scikit-sundae"}


@cache
def version(distribution: str) -> str:
    """Return the version of an installed distribution, empty if it is not there or does not say."""
    try:
        return str(metadata.version(distribution))
    except Exception:  # of somebody else's broken installation, with an error of any kind
        return ""


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of the distributions that are installed, by name.

    Parameters
    ----------
    names : of distributions, or of modules that are imported from them
    """
    found = {}
    for name in sorted(set(names) - sys.stdlib_module_names):
        distribution = _DISTRIBUTIONS.get(name, name)
        if text := version(distribution):
            found[distribution] = text
    return found
