"""Arguments of the campaigns' command lines."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def positive(kind: type[Number]) -> Callable[[str], Number]:
    """Return the reader of a positive number of a kind, for `ArgumentParser.add_argument`."""

    def read(text: str) -> Number:
        wanted = "a positive whole number" if kind is int else "a positive number"
        try:
            number = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}") from None
        if not 0 < number < math.inf:
            raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")
        return number

    return read
