"""Certificates: proofs, in ball arithmetic, of where the exact gradient flow from a stored state goes."""

from gfcompare.certificates.certifying import certified, certify
from gfcompare.certificates.records import of_tree, variables
from gfcompare.certificates.states import Bounds, certify_state, enclosures
from gfcompare.certificates.table import limits, reasons, type_of, verdicts
from gfcompare.certificates.verdicts import Certificate, Verdict

__all__ = [
    "Bounds",
    "Certificate",
    "Verdict",
    "certified",
    "certify",
    "certify_state",
    "enclosures",
    "limits",
    "of_tree",
    "reasons",
    "type_of",
    "variables",
    "verdicts",
]
