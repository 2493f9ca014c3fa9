"""Certificates: proofs, in ball arithmetic, of where the exact gradient flow from a stored state goes."""

from gfcompare.certificates.certifying import certified, certify
from gfcompare.certificates.landscape import Landscape, LandscapePoint, landscape
from gfcompare.certificates.landscape_table import landscape_table, landscapes, visits
from gfcompare.certificates.records import of_tree, variables
from gfcompare.certificates.states import Bounds, certify_state, enclosures
from gfcompare.certificates.table import limits, reasons, type_of, verdicts
from gfcompare.certificates.verdicts import Certificate, Verdict

__all__ = [
    "Bounds",
    "Certificate",
    "Landscape",
    "LandscapePoint",
    "Verdict",
    "certified",
    "certify",
    "certify_state",
    "enclosures",
    "landscape",
    "landscape_table",
    "landscapes",
    "limits",
    "of_tree",
    "reasons",
    "type_of",
    "variables",
    "verdicts",
    "visits",
]
