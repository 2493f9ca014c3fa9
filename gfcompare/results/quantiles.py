"""Medians and quartiles over seeds: the one definition that tables, figures and the report share.

The quantile p of n values is linear between the order statistics k = floor(p (n - 1)) and k + 1, counted from
0: definition 7 of R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages",
doi:10.1080/00031305.1996.10473566, and what numpy, pandas and xarray compute. The median of an even number of
values is the mean of the two in the middle. A trajectory that has ended counts as infinite: a median of those
that are left would be the better the more of them fail. Where a quantile lies between a finite
and an infinite value, or at an infinite one, it is infinite.

`np.nanquantile` does not serve: it is NaN there (inf - inf in its interpolation, numpy 2.4: the median of
1, 2, inf, inf already), and with a NaN anywhere it goes through the rows in Python, 108 ms against 0.4 ms for
32 seeds, 6 methods and 200 save times.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def quantile(values: ArrayLike, share: float, axis: int = -1) -> Array:
    """Return a quantile along an axis, which the result no longer has.

    Parameters
    ----------
    values : infinite where a trajectory has ended; NaN, which is left out, where a quantity has no value
        for a seed, never for a trajectory that has ended
    share : in [0, 1], 0.5 for the median
    axis : that of the seeds

    Returns
    -------
    ndarray
        NaN where there is no value at all, and between -infinity and infinity
    """
    ordered = np.sort(np.moveaxis(np.asarray(values, dtype=np.float64), axis, -1), axis=-1)  # NaN last
    if ordered.shape[-1] == 0:
        return np.full(ordered.shape[:-1], np.nan)
    last = np.maximum(np.sum(~np.isnan(ordered), axis=-1) - 1, 0)
    position = share * last
    below = np.floor(position).astype(np.int64)
    low, high = (
        np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0]
        for at in (below, np.minimum(below + 1, last))
    )
    weight = position - below
    with np.errstate(invalid="ignore"):
        between = (1.0 - weight) * low + weight * high
    return np.asarray(np.where((weight == 0.0) | (low == high), low, between))


def median(values: ArrayLike) -> float:
    """Return the median of values of shape (n,): see `quantile`."""
    return float(quantile(values, 0.5))
