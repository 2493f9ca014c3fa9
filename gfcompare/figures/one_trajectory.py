"""Figures of one trajectory: which seed, which times, the function, its breakpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from gfcompare.components.errors import InputError
from gfcompare.figures.lazy import data, log_axes, np, pd, theme
from gfcompare.figures.options import Size
from gfcompare.figures.selection import Selection

if TYPE_CHECKING:
    import xarray as xr

    from gfcompare.figures.data import View
    from gfcompare.results.reading import Array

#: Whether a figure shows anything of a problem and a seed.
Shows: TypeAlias = "Callable[[xr.Dataset, int], bool]"

# Points of the grid on which a network over one input is drawn where no grid is stored.
_GRID_POINTS = 401


@dataclass(frozen=True)
class Choice:
    """One seed of each problem.

    Attributes
    ----------
    view : the problems and methods
    seeds : the seed of each problem
    times : flow times asked for; none means the usual ones of a figure
    size : the width of the page
    """

    view: View
    seeds: dict[str, int]
    times: Sequence[float] = ()
    size: Size = None

    @property
    def groups(self) -> dict[str, xr.Dataset]:
        """The problems."""
        return self.view.groups

    def part(self, names: Iterable[str]) -> Choice:
        """Return the choice with some of its problems."""
        return replace(self, view=replace(self.view, groups={name: self.groups[name] for name in names}))


def choose(
    view: View,
    seed: int | None,
    times: Sequence[float] = (),
    size: Size = None,
    shows: Shows | None = None,
) -> Choice:
    """Return the choice of a seed for every problem; if it is None, of the typical one.

    With `shows`, of a problem and a seed, it is the most typical one that shows something, if there is any.
    """
    seeds = {name: check_seed(group, seed) for name, group in view.groups.items()}
    if seed is None and shows is not None:
        for name, group in view.groups.items():
            seeds[name] = next((s for s in by_typicality(group) if shows(group, s)), seeds[name])
    return Choice(view, seeds, times, size)


@dataclass(frozen=True, kw_only=True)
class OfOneSeed(Selection):
    """A figure of one seed.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    size : "column" or "text", the width of a column or of a page; by default what suits the figure
    seed : the seed; by default, for each problem, the one with the median final risk of the first method
    """

    seed: int | None = None

    def choice(self, view: View, times: Sequence[float] = (), shows: Shows | None = None) -> Choice:
        """Return the view with a seed of each problem: the one asked for, or a typical one that `shows`."""
        return choose(view, self.seed, times, self.size, shows)


@dataclass(frozen=True, kw_only=True)
class OnRisk(OfOneSeed):
    """A figure of one seed that evaluates the risk again, at parameters that are not stored."""

    scope: ClassVar[str] = "a target and a measure that its result holds (they are Python functions)"

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem can be rebuilt from the result."""
        from gfcompare.results.rebuild import problem_of

        try:
            problem_of(group)
        except InputError:
            return False
        return True


def by_typicality(group: xr.Dataset) -> list[int]:
    """Return the seeds, those first whose final risk by the first method is near the median.

    Early ends count as the worst. Near is meant by rank: the first one has the median itself.
    """
    table = data.final_risk(group)
    first = table[table["method"] == table["method"].iloc[0]]
    seeds = first["seed"].to_numpy()[np.argsort(first["final"].to_numpy(), kind="stable")]
    middle = (len(seeds) - 1) // 2
    return [int(seeds[k]) for k in sorted(range(len(seeds)), key=lambda k: abs(k - middle))]


def typical_seed(group: xr.Dataset) -> int:
    """Return the seed with the median final risk of the first method; early ends count as the worst."""
    return by_typicality(group)[0]


def check_seed(group: xr.Dataset, seed: int | None) -> int:
    """Return the seed if the result has it, the typical one if it is None, or raise InputError."""
    if seed is None:
        return typical_seed(group)
    known = [int(s) for s in group["seed"].values]
    if seed not in known:
        raise InputError(f"the result has no seed {seed}; its seeds are {min(known)} to {max(known)}.")
    return seed


def chosen_times(group: xr.Dataset, times: Sequence[float] = (), count: int = 4) -> list[int]:
    """Return indices of save times: those nearest to `times`, or the first, the last and some between.

    The ones between are spaced evenly in the logarithm of flow time.
    """
    saved = np.asarray(group["time"].values, dtype=np.float64)
    if len(times):
        return sorted({int(np.argmin(np.abs(saved - t))) for t in times})
    positive = np.flatnonzero(saved > 0)
    if positive.size == 0:
        return [0]
    wanted = np.geomspace(saved[positive[0]], saved[-1], count)[1:]
    found = {int(positive[np.argmin(np.abs(np.log(saved[positive] / t)))]) for t in wanted}
    return sorted({0, *found})


def time_limits(groups: Mapping[str, xr.Dataset]) -> tuple[float, float]:
    """Return limits of a logarithmic axis around the positive flow times of all problems."""
    times = [group["flow_time"].values.ravel() for group in groups.values()]
    return log_axes.limits_around(np.concatenate(times))


def last_times(group: xr.Dataset, times: Sequence[float] = ()) -> list[int]:
    """Return indices of save times: those nearest to `times`, or the last one."""
    return chosen_times(group, times) if len(times) else [group.sizes["time"] - 1]


def ended(group: xr.Dataset, method: str, seed: int) -> str:
    """Return in words how a trajectory ended early, and "" for one that reached the end."""
    from gfcompare.integrators.status import Status

    status = Status(int(group["status"].sel(integrator=method, seed=seed)))
    return "" if status.complete else data.status_name(status)


def gone(group: xr.Dataset, method: str, seed: int) -> str:
    """Return in two lines how and when a trajectory ended early."""
    time = float(group["end_time"].sel(integrator=method, seed=seed))
    return f"{ended(group, method, seed)}\nat t = {theme.number(time)}"


def last_state(group: xr.Dataset, method: str, seed: int) -> int:
    """Return the index of the last save time at which a trajectory has a state; 0 if it has none."""
    state = group.sel(integrator=method, seed=seed)
    present = np.flatnonzero(np.isfinite(state["weight_1"].values).all(axis=(1, 2)))
    return int(present[-1]) if present.size else 0


def grid(group: xr.Dataset) -> Array:
    """Return the inputs at which functions of one input are drawn, shape (x,)."""
    if "x" in group.variables:
        return np.asarray(group["x"].values, dtype=np.float64)
    return np.linspace(float(group.attrs["lower"]), float(group.attrs["upper"]), _GRID_POINTS)


def target_values(group: xr.Dataset, output: int) -> Array:
    """Return the values of the target that are stored on a grid or at points, shape (n,)."""
    names = [name for name in ("target", "sample_target", "test_target") if name in group.variables]
    return np.concatenate([group[name].values[..., output].ravel() for name in names])


def value_limits(group: xr.Dataset, output: int) -> tuple[float, float]:
    """Return limits for values: the target's range and as much again, so that a fit far off is cut."""
    target = target_values(group, output)
    low, high = float(target.min()), float(target.max())
    span = high - low if high - low > 1e-9 * max(abs(low), abs(high)) else max(abs(low), 1.0)
    return low - 0.5 * span, high + 0.5 * span


def realized(group: xr.Dataset, method: str, seed: int, index: int, points: Array) -> Array:
    """Return the function of a trajectory at a save time at points, shape (n, d), as (n, output).

    It is NaN where the trajectory has no state.
    """
    from gfcompare.results.reading import network_of, parameters

    network = network_of(group)
    state = group.sel(integrator=method, seed=seed).isel(time=index)
    return network.realize(parameters(state), points)


def fitted(group: xr.Dataset, method: str, seed: int, index: int) -> Array:
    """Return the realised function of a trajectory over one input on the grid, shape (x, output)."""
    return realized(group, method, seed, index, grid(group)[:, None])


def all_breakpoints(group: xr.Dataset, method: str, seed: int, index: int) -> Array:
    """Return where neurons of all layers switch within the interval at a save time; nowhere without state."""
    from gfcompare.results.reading import network_of, parameters

    network = network_of(group)
    theta = parameters(group.sel(integrator=method, seed=seed).isel(time=index))
    if not np.isfinite(theta).all():
        return np.empty(0)
    lower, upper = float(group.attrs["lower"]), float(group.attrs["upper"])
    return np.array([found.position for found in network.breakpoints(theta, lower, upper)])


def has_breakpoint(group: xr.Dataset, seed: int) -> bool:
    """Return whether a neuron of a seed ever switches within the interval, by the first method.

    For more inputs than one it is taken for granted.
    """
    if group.sizes["input"] > 1:
        return True
    paths = breakpoint_paths(group, str(group["integrator"].values[0]), seed)
    lower, upper = float(group.attrs["lower"]), float(group.attrs["upper"])
    return bool(((paths["position"] > lower) & (paths["position"] < upper)).any())


def breakpoint_paths(group: xr.Dataset, method: str, seed: int) -> pd.DataFrame:
    """Return the breakpoints -b/w of the first hidden layer along a trajectory, after flow time 0.

    Columns neuron, piece, x (flow time), position. Where the weight changes its sign between two save
    times the breakpoint passes through infinity, and a new piece of its path begins: no line may be drawn
    across. A neuron with weight 0 has no breakpoint.
    """
    state = group.sel(integrator=method, seed=seed)
    weight, bias = state["weight_1"].values[..., 0], state["bias_1"].values
    flow_time = data.finite(state["flow_time"].values)
    rows = (flow_time > 0) & np.isfinite(weight).all(axis=1) & np.isfinite(bias).all(axis=1)
    weight, bias, flow_time = weight[rows], bias[rows], flow_time[rows]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        position = data.finite(-bias / weight)
    turned = np.zeros(weight.shape, dtype=np.int64)
    turned[1:] = weight[1:] * weight[:-1] <= 0
    times, neurons = weight.shape
    table = pd.DataFrame(
        {
            "neuron": np.repeat(np.arange(neurons), times),
            "piece": np.cumsum(turned, axis=0).T.ravel(),
            "x": np.tile(flow_time, neurons),
            "position": position.T.ravel(),
        }
    )
    return table.dropna().reset_index(drop=True)
