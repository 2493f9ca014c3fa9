"""Certificates: proofs, in ball arithmetic, of where the exact gradient flow from a stored state goes."""

from gfcompare.certificates.states import Bounds, certify_state, enclosures
from gfcompare.certificates.verdicts import Certificate, Verdict

__all__ = ["Bounds", "Certificate", "Verdict", "certify_state", "enclosures"]
