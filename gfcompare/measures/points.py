"""Input measures on finitely many points: data sets, and other measures replaced by points."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.component import check_instance, require
from gfcompare.components.errors import InputError, normalized, unknown_name
from gfcompare.measures.base import Array, Measure
from gfcompare.measures.box import BoxDensity
from gfcompare.measures.sobol import sobol_points
from gfcompare.system.paths import user_path
from gfcompare.system.tabular_files import read_table


class PointMeasure(Measure, abc.ABC):
    """A probability measure on N points. The risk under it is not smooth in the parameters."""

    @property
    @abc.abstractmethod
    def points(self) -> Array:
        """The points, shape (N, d)."""

    @property
    def weights(self) -> Array:
        """Their masses, shape (N,), of sum 1."""
        return np.full(len(self.points), 1.0 / len(self.points))

    @property
    def labels(self) -> Array | None:
        """Values that came with the points, shape (N, K), for the target `Labels`; None without any."""
        return None

    @property
    def test(self) -> tuple[Array, Array] | None:
        """Points and labels held out, shapes (n, d) and (n, K); None without any."""
        return None

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return int(self.points.shape[1])

    @property
    def box(self) -> Array:
        """Ends of the smallest box that holds the points, shape (d, 2)."""
        return np.stack([self.points.min(axis=0), self.points.max(axis=0)], axis=1)

    def indices(self, uniforms: Array) -> NDArray[np.int64]:
        """Map uniform numbers of any shape to numbers of points, each with its mass."""
        edges = np.cumsum(self.weights)
        found = np.searchsorted(edges / edges[-1], uniforms, side="right")
        return np.minimum(found, len(edges) - 1)

    def transport(self, uniforms: Array) -> Array:
        """Map uniform numbers, shape (..., d), to points: the first of each d numbers chooses."""
        return self.points[self.indices(uniforms[..., 0])]


def _table(value: ArrayLike, key: str) -> Array:
    """Return a value as an array of shape (n, m), or raise InputError."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{key} must be an array of numbers, one row for each point.") from None
    array = array[:, None] if array.ndim == 1 else array
    require(
        array.ndim == 2 and array.size > 0,
        f"{key} must have one row for each point, got an array of shape {array.shape}.",
    )
    finite = np.isfinite(array).all(axis=1)
    require(bool(finite.all()), f"{key}: row {int(np.argmin(finite)) + 1} has a missing or infinite number.")
    return array


@dataclass(frozen=True, eq=False)
class Points(PointMeasure):
    """Given points, with masses and labels if there are any.

    Parameters
    ----------
    data : the points, shape (N, d), or (N,) for d = 1
    mass : their masses, shape (N,), not negative; normalised. By default all the same
    observed : values that came with the points, shape (N, K) or (N,), for the target "labels"
    test_data, test_observed : points and values held out, for the test risk
    """

    name: ClassVar[str] = "points"
    waived_checks: ClassVar[Mapping[str, str]] = {
        "options": "arrays of points are given in Python; a study file names a data set"
    }
    data: ArrayLike
    mass: ArrayLike | None = None
    observed: ArrayLike | None = None
    test_data: ArrayLike | None = None
    test_observed: ArrayLike | None = None

    def __post_init__(self) -> None:
        count = len(self.points)
        require(
            self.weights.shape == (count,), f"mass must be {count} numbers, got shape {self.weights.shape}."
        )
        require(
            self.labels is None or len(self.labels) == count,
            f"observed has {0 if self.labels is None else len(self.labels)} rows for {count} points.",
        )
        test = self.test
        if test is not None:
            require(len(test[0]) == len(test[1]), f"{len(test[0])} test points, {len(test[1])} test values.")
            require(test[0].shape[1] == self.dimension, "test_data and data have different dimensions.")
            require(
                self.labels is None or test[1].shape[1] == self.labels.shape[1],
                "test_observed and observed have different numbers of outputs.",
            )

    @cached_property
    def points(self) -> Array:
        """The points, shape (N, d)."""
        return _table(self.data, "data")

    @cached_property
    def weights(self) -> Array:
        """Their masses, shape (N,), of sum 1."""
        if self.mass is None:
            return np.full(len(self.points), 1.0 / len(self.points))
        mass = _table(self.mass, "mass").ravel()
        require(
            bool(mass.min() >= 0 and mass.sum() > 0), "mass must not be negative, and not be 0 everywhere."
        )
        return np.asarray(mass / mass.sum())

    @cached_property
    def labels(self) -> Array | None:
        """Values that came with the points, shape (N, K)."""
        return None if self.observed is None else _table(self.observed, "observed")

    @cached_property
    def test(self) -> tuple[Array, Array] | None:
        """Points and labels held out, shapes (n, d) and (n, K)."""
        if self.test_data is None or self.test_observed is None:
            require(
                self.test_data is None and self.test_observed is None,
                "test_data and test_observed must be given together.",
            )
            return None
        return _table(self.test_data, "test_data"), _table(self.test_observed, "test_observed")


_MOST_POINTS = 10**7
_RULES = ("random", "sobol", "quantiles")


@dataclass(frozen=True)
class Discretized(PointMeasure):
    """Another measure replaced by N fixed points of equal mass: the usual N-point risk.

    Parameters
    ----------
    measure : the measure
    count : number of points N
    rule : "random" (independent), "sobol" (scrambled; N a power of 2) or "quantiles" (d = 1: the midpoints
        of N cells of equal mass)
    seed : chooses the points
    """

    name: ClassVar[str] = "discretized"
    measure: Measure
    count: int = 1024
    rule: str = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        check_instance(self.measure, Measure, "the measure that is discretized")
        require(
            1 <= self.count <= _MOST_POINTS, f"count must lie between 1 and {_MOST_POINTS}, got {self.count}."
        )
        if self.rule not in _RULES:
            raise unknown_name("rule", self.rule, _RULES)
        require(self.seed >= 0, f"seed must not be negative, got {self.seed}.")
        require(
            not isinstance(self.measure, PointMeasure),
            "the measure consists of points already; use it as it is.",
        )
        require(
            self.rule != "quantiles" or self.measure.dimension == 1,
            f"the rule 'quantiles' is for d = 1, the measure has d = {self.measure.dimension}: use 'sobol'.",
        )
        power = self.count & (self.count - 1) == 0
        require(self.rule != "sobol" or power, f"the rule 'sobol' needs a power of 2, got {self.count}.")

    @cached_property
    def points(self) -> Array:
        """The points, shape (N, d)."""
        d = self.measure.dimension
        if self.rule == "random":
            rng = np.random.Generator(np.random.PCG64(self.seed))
            return self.measure.sample(rng, self.count).reshape(self.count, d)
        if self.rule == "quantiles":
            uniforms = (np.arange(self.count)[:, None] + 0.5) / self.count
        else:
            require(
                not isinstance(self.measure, BoxDensity),
                "the rule 'sobol' needs independent inputs, 'box-density' has none: use 'random'.",
            )
            uniforms = sobol_points(d, self.count, self.seed)
        return self.measure.transport(uniforms)


Measure._discretized = Discretized


@dataclass(frozen=True)
class DataSet(PointMeasure):
    """A data set: a CSV or netCDF file, or one that comes with scikit-learn, with a test part held out.

    Its values are learnt with the target "labels".

    Parameters
    ----------
    source : a file with named columns, or "diabetes" (442 patients, 10 inputs; Efron, Hastie, Johnstone,
        Tibshirani, doi:10.1214/009053604000000067), "linnerud", "iris", "wine" or "breast-cancer"
    outputs : names of the columns to be learnt; for scikit-learn's data sets its target
    inputs : names of the columns to learn from; by default all others but those of text. Then nothing in the
        file may be in doubt: no column without a name, no text among numbers
    standardize : scale inputs and outputs to mean 0 and variance 1 on the training part
    test_fraction : share of the rows that is held out
    seed : chooses which rows
    """

    name: ClassVar[str] = "data-set"
    source: Path
    outputs: Sequence[str] = ()
    inputs: Sequence[str] = ()
    standardize: bool = True
    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("outputs", "inputs"):
            value = getattr(self, key)
            names = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(self, key, tuple(map(normalized, names)))
        require(0 <= self.test_fraction < 1, f"test_fraction must lie in [0, 1), got {self.test_fraction}.")
        require(self.seed >= 0, f"seed must not be negative, got {self.seed}.")
        _ = self._parts

    @cached_property
    def _parts(self) -> tuple[Array, Array, Array, Array]:
        """Inputs and outputs of the training part, then of the test part."""
        source = user_path(self.source)
        changed = (
            source.stat().st_mtime_ns if source.is_file() else 0
        )  # a file that was rewritten is read again
        x, y = _columns(source, changed, tuple(self.inputs), tuple(self.outputs))
        rng = np.random.Generator(np.random.PCG64(self.seed))
        order = rng.permutation(len(x))
        held = round(self.test_fraction * len(x))
        require(held < len(x), f"{self.source}: no rows are left to learn from.")
        test, train = np.sort(order[:held]), np.sort(order[held:])
        if self.standardize:
            x, y = _standardized(x, train), _standardized(y, train)
        return x[train], y[train], x[test], y[test]

    @property
    def points(self) -> Array:
        """The inputs of the training part, shape (N, d)."""
        return self._parts[0]

    @property
    def labels(self) -> Array | None:
        """The outputs of the training part, shape (N, K)."""
        return self._parts[1]

    @property
    def test(self) -> tuple[Array, Array] | None:
        """Inputs and outputs of the test part, shapes (n, d) and (n, K)."""
        return (self._parts[2], self._parts[3]) if len(self._parts[2]) else None


def _standardized(values: Array, train: NDArray[np.int64]) -> Array:
    deviation = values[train].std(axis=0)
    deviation[deviation == 0.0] = 1.0  # a constant column stays at 0
    return np.asarray((values - values[train].mean(axis=0)) / deviation)


_SCIKIT_LEARN = ("diabetes", "linnerud", "iris", "wine", "breast-cancer")


@lru_cache(maxsize=8)
def _columns(
    source: Path, changed: int, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> tuple[Array, Array]:
    """Return inputs, shape (n, d), and outputs, shape (n, K), of a data set."""
    if str(source.name) in _SCIKIT_LEARN and not source.exists():
        table, targets = _from_scikit_learn(source.name)
        outputs = outputs or targets
    else:
        try:
            table = read_table(source, (*inputs, *outputs) if inputs and outputs else None)
        except InputError as error:
            if source.is_file():
                raise
            allowed = ", ".join(_SCIKIT_LEARN)
            raise InputError(f"{error} A source is a file or one of: {allowed}.") from None
    require(bool(outputs), f"outputs must name the columns to be learnt. Columns: {', '.join(table)}.")
    for column in (*inputs, *outputs):
        if column not in table:
            raise unknown_name(f"column of {source}", column, table)
    names = inputs or tuple(column for column in table if column not in outputs)
    require(bool(names), f"{source}: no columns are left to learn from.")
    lengths = {column: len(table[column]) for column in (*names, *outputs)}
    require(
        len(set(lengths.values())) == 1,
        f"{source}: the columns have different lengths, "
        + ", ".join(f"{column} {length}" for column, length in lengths.items())
        + ": name the inputs.",
    )
    parts = [np.stack([table[column] for column in group], axis=1) for group in (names, outputs)]
    return parts[0], parts[1]


def _from_scikit_learn(name: str) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return the columns of a data set of scikit-learn, and the names of those to be learnt."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    data = getattr(datasets, f"load_{name.replace('-', '_')}")(as_frame=True, **options)
    frame = data.frame
    targets = tuple(str(c) for c in (data.target_names if name == "linnerud" else ["target"]))
    return {str(c): frame[c].to_numpy(dtype=np.float64) for c in frame}, targets
