"""Exponents of power laws along trajectories, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: An exponent needs as many points.
FEWEST = 6
#: The part of a trajectory that an exponent is read from: its last decade of flow time.
WINDOW = 10.0


@dataclass(frozen=True)
class Exponent:
    """The exponent of a power law that was fitted.

    Attributes
    ----------
    value : the slope of log y against log x
    error : twice its standard error, and half the difference between both halves of the window, as the root
        of the sum of squares: scatter, and that it is no power law yet
    """

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.2g}"


def exponent(x: Array, y: Array) -> Exponent | None:
    """Return the exponent of y against x by least squares of the logarithms; None if there is too little.

    Parameters
    ----------
    x, y : shape (n,); points where one is not positive and finite are left out
    """
    used = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    if used.sum() < FEWEST:
        return None
    u, v = np.log(x[used]), np.log(y[used])
    half = len(u) // 2
    parts = [(u[part], v[part]) for part in (slice(None), slice(half + 1), slice(half, None))]
    if any(np.ptp(a) == 0 for a, _ in parts):
        return None
    (whole, deviation), (early, _), (late, _) = (_line(a, b) for a, b in parts)
    return Exponent(whole, float(np.hypot(2.0 * deviation, 0.5 * (late - early))))


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Return the slope of the line through points by least squares, and its standard error."""
    (slope, _), covariance = np.polyfit(x - x.mean(), y, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


def last_decade(time: Array) -> NDArray[np.bool_]:
    """Return which of the increasing flow times lie in the last decade, shape (T,)."""
    return np.asarray((time > 0) & (time >= time[-1] / WINDOW))


@dataclass(frozen=True)
class Decay:
    """The approach of the risk to its limit.

    Attributes
    ----------
    rate : p in L - L_inf ~ t^(-p)
    limit : L_inf
    lojasiewicz : alpha in |Theta'| ~ (L - L_inf)^alpha; None if it cannot be told
    """

    rate: Exponent
    limit: float
    lojasiewicz: Exponent | None


def decay(time: Array, risk: Array, square: Array) -> Decay | None:
    """Return how the risk approaches its limit, from the last decade; None if there is too little.

    L_inf is not known, and L - L_inf is soon a difference of nearly equal numbers. But dL/dt = -|Theta'|^2,
    so that L - L_inf = c t^(-p) is the same as |Theta'|^2 = p c t^(-p - 1): p is read from the slope of
    |Theta'|^2 against t, which needs no L_inf, and then L_inf = L - t |Theta'|^2 / p at the last time. The
    exponent of Lojasiewicz is the slope of |Theta'| against L - L_inf; with a power law it is
    (p + 1) / (2 p), with exponential decay 1/2.

    Parameters
    ----------
    time, risk : shape (T,)
    square : |Theta'|^2, shape (T,)
    """
    late = last_decade(time)
    fitted = exponent(time[late], square[late])
    if fitted is None:
        return None
    rate = Exponent(-fitted.value - 1.0, fitted.error)
    if not rate.value > 0:
        return Decay(rate, np.nan, None)
    limit = max(0.0, float(risk[-1] - time[-1] * square[-1] / rate.value))
    return Decay(rate, limit, exponent(risk[late] - limit, np.sqrt(square[late])))
