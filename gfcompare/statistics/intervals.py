"""Intervals at 95 %: of a median over seeds, of a share of seeds, of a Kaplan-Meier curve."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gfcompare.results.quantiles import median as middle

Array = NDArray[np.float64]

LEVEL = 0.95

#: Of fewer values not even the range covers the median with 95 %: it does with 1 - 2^(1 - n).
FEWEST = 6


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; the ends are NaN where there is none."""

    value: float
    low: float
    high: float


def median(values: Array) -> Estimate:
    """Return the median of values, infinite ones among them, and its interval: see `median_interval`.

    Parameters
    ----------
    values : shape (N,), without NaN

    Returns
    -------
    Estimate
        without interval for fewer than `FEWEST` values
    """
    if not values.size:
        return Estimate(math.nan, math.nan, math.nan)
    values = values + 0.0  # one zero: a value must not depend on the order of 0 and -0
    value = middle(values)
    low, high = median_interval(values)
    # Between -infinity and infinity: 0, which does not prefer one of the two methods of a difference.
    return Estimate(0.0 if math.isnan(value) else value, float(low), float(high))


def median_interval(values: Array, axis: int = -1) -> tuple[Array, Array]:
    """Return the ends of the interval of a median along an axis, which the results no longer have.

    They are two of the values, chosen by the binomial distribution of how many of n independent values lie
    below the median: `scipy.stats.quantile_test`. The interval covers the median of every distribution with
    at least 95 %, needs no resampling, and takes infinite values as they are.

    Parameters
    ----------
    values : NaN, which is left out, where a seed has no value
    axis : that of the seeds

    Returns
    -------
    low, high : ndarray
        NaN for fewer than `FEWEST` values

    References
    ----------
    H. A. David, H. N. Nagaraja, "Order Statistics", section 7.1, doi:10.1002/0471722162.
    """
    ordered = np.sort(np.moveaxis(values, axis, -1), axis=-1)  # NaN last
    counts = np.sum(~np.isnan(ordered), axis=-1)
    low, high = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    for count in np.unique(counts).tolist():
        if count >= FEWEST:
            rows = counts == count
            first, last = _ranks(count)
            low[rows], high[rows] = ordered[rows, first], ordered[rows, last]
    return low, high


@lru_cache(maxsize=1024)
def _ranks(count: int) -> tuple[int, int]:
    """Return which of so many ordered values are the ends of the interval of their median, from 0.

    Asked of scipy once for each number, because it computes a test too: 3 ms.
    """
    found: Any = stats.quantile_test(np.arange(count), q=0, p=0.5).confidence_interval(LEVEL)
    return int(found.low), int(found.high)


def share(count: int, total: int) -> Estimate:
    """Return a share with its interval, that of E. B. Wilson, doi:10.1080/01621459.1927.10502953."""
    if not total:
        return Estimate(math.nan, math.nan, math.nan)
    found = stats.binomtest(count, total).proportion_ci(LEVEL, method="wilson")
    return Estimate(count / total, float(found.low), float(found.high))


@dataclass(frozen=True)
class Steps:
    """A share that grows with time in steps, from 0 before the first one.

    Attributes
    ----------
    times : when it may change, ascending, shape (N,)
    share, low, high : its value from then on, with the ends of a pointwise interval, shape (N,)
    before : upper end of the interval before the first time
    """

    times: Array
    share: Array
    low: Array
    high: Array
    before: float

    def median(self) -> Estimate:
        """Return the median time, infinite unless more than half get there.

        It is the mean of the first time at which the share is at least one half and the first at which it is
        more: without censoring the median of the times, by the definition of `results.quantiles`. The ends
        of its interval are the times at which the ends of the share's interval get there: R.
        Brookmeyer, J. Crowley, doi:10.2307/2530286.
        """
        low = 0.0 if self.before >= 0.5 else self._first(self.high)
        value = 0.5 * (self._first(self.share) + self._first(self.share, more=True))
        return Estimate(value, low, self._first(self.low))

    def _first(self, values: Array, more: bool = False) -> float:
        slack = 1e-12  # sums of 1/n need not be exact
        there = np.flatnonzero(values > 0.5 + slack if more else values >= 0.5 - slack)
        return float(self.times[there[0]]) if there.size else math.inf


def kaplan_meier(times: Array, reached: NDArray[np.bool_]) -> Steps:
    """Return the Kaplan-Meier estimate of the share of seeds that have reached something by a time.

    Parameters
    ----------
    times : for each seed when it got there, or up to when it was watched, infinite if it does not get
        there, shape (N,)
    reached : whether it got there, shape (N,)

    Notes
    -----
    The interval is scipy's, by Greenwood's formula for log(-log). Where that is undefined, at shares of 0
    and 1, it is Wilson's for the seeds still watched, and for the seeds that got there.

    References
    ----------
    E. L. Kaplan, P. Meier, doi:10.1080/01621459.1958.10501452.
    """
    seen = np.isfinite(times)
    beyond = 2.0 * float(times[seen].max(initial=1.0))
    sample = stats.CensoredData(
        uncensored=times[reached], right=np.where(seen, times, beyond)[~reached].astype(np.float64)
    )
    cdf = stats.ecdf(sample).cdf
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # NaN, which is filled below
        band: Any = cdf.confidence_interval(LEVEL, method="log-log")
    low, high = band.low.probabilities.copy(), band.high.probabilities.copy()
    for k, (value, time) in enumerate(zip(cdf.probabilities, cdf.quantiles, strict=True)):
        if value <= 0.0:
            low[k], high[k] = 0.0, share(0, int((times >= time).sum())).high
        elif value >= 1.0:
            low[k], high[k] = share(int(reached.sum()), int(reached.sum())).low, 1.0
    kept = cdf.quantiles < beyond
    before = share(0, times.size).high
    return Steps(cdf.quantiles[kept], cdf.probabilities[kept], low[kept], high[kept], before)
