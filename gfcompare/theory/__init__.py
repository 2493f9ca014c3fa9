"""Checks of theorems: whether stored trajectories obey what is known of the flows they follow."""

from gfcompare.theory.base import FAIL, INAPPLICABLE, PASS, Check, CheckResult
from gfcompare.theory.records import condensed, left_out, seeds_left_out, variables
from gfcompare.theory.verification import CHECKS, REPLAYED_SEEDS, verify

__all__ = [
    "CHECKS",
    "FAIL",
    "INAPPLICABLE",
    "PASS",
    "REPLAYED_SEEDS",
    "Check",
    "CheckResult",
    "condensed",
    "left_out",
    "seeds_left_out",
    "variables",
    "verify",
]
