"""Numbers of critical points, equal for the same point, so that distinct limits can be counted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from gfcompare.certificates.verdicts import Certificate

Key = TypeVar("Key", bound=Hashable)


def numbered(found: Mapping[Key, Certificate]) -> dict[Key, int]:
    """Return for each certificate of one problem the number of its critical point, -1 without one.

    Critical points are the same if their networks are, as functions: all balls of value, slope, breakpoints
    and changes of slope overlap. Numbers ascend with the risk. The balls are about 1e-28 wide: two that
    differ by less would be counted as one.
    """
    firsts: list[Certificate] = []
    numbers = dict.fromkeys(found, -1)
    proven = [(key, certificate) for key, certificate in found.items() if certificate.point]
    for key, certificate in sorted(proven, key=lambda pair: pair[1].critical_risk_low):
        numbers[key] = _place(certificate, firsts)
        if numbers[key] == len(firsts):
            firsts.append(certificate)
    return numbers


def _place(certificate: Certificate, firsts: list[Certificate]) -> int:
    """Return the place of a critical point among those of less or equal risk, the next if it is new."""
    for place in reversed(range(len(firsts))):
        if firsts[place].critical_risk_high < certificate.critical_risk_low:
            break
        if same(firsts[place].point, certificate.point):
            return place
    return len(firsts)


def same(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether two networks, as decimal balls of what describes them, may be one function."""
    from flint import arb

    if len(first) != len(second):
        return False
    return all(arb(a).overlaps(arb(b)) for a, b in zip(first, second, strict=True))
