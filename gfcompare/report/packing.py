"""Arrays inside a page: base64 in JSON, and how many bytes that takes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

#: Little-endian real numbers of 8 and 4 bytes, and integers of 2 bytes.
Kind = Literal["f8", "f4", "i2"]


def packed(values: ArrayLike, kind: Kind) -> dict[str, Any]:
    """Return an array as plain data: kind, shape and the bytes in base64.

    Real numbers beyond the range of the kind become infinite, which a page leaves out.
    """
    with np.errstate(over="ignore"):
        array = np.asarray(values).astype(f"<{kind}")
    return {
        "kind": kind,
        "shape": list(array.shape),
        "base64": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii"),
    }


def packed_size(shape: Sequence[int], kind: Kind) -> int:
    """Return how many bytes an array of some shape takes in a page."""
    return 4 * math.ceil(math.prod(shape) * int(kind[1]) / 3)


def script_json(value: Any) -> str:
    """Return JSON that can stand inside a script element whatever the strings in it are.

    HTML ends such an element, or begins a comment in it, only at "<".
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=True).replace("<", "\\u003c")


def data_uri(content: bytes, media_type: str) -> str:
    """Return content as the address of a link or an image that needs no file and no network."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
