"""A figure for each statement of Eberle, Jentzen, Riekert and Weiss that can be seen numerically.

S. Eberle, A. Jentzen, A. Riekert, G. Weiss, "Normalized gradient flow optimization in the training of ReLU
artificial neural networks", arXiv:2207.06246.

    python studies/papers/eberle_jentzen_riekert_weiss.py [folder for the figures]
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import writing
import xarray as xr
from matplotlib.figure import Figure

import gfcompare as gfc
from gfcompare.figures.theme import TEXT_WIDTH, context

TARGETS = {
    "cubic": gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]),
    "sine": gfc.targets.Sine(),
    "kink": gfc.targets.AbsoluteValue(centre=0.4),
}
METHODS = ("standard-gf", "normalized-gf")
NAMES = {"standard-gf": "standard flow", "normalized-gf": "normalised flow on M"}
COLOURS = {"standard-gf": "#0173b2", "normalized-gf": "#de8f05"}


def run(
    path: Path, name: str, widths: tuple[int, ...], times: gfc.Times, seeds: int, rtol: float
) -> xr.DataTree:
    """Run both flows on every target from the same functions."""
    study = gfc.Study(
        name=name,
        description="Standard against normalised gradient flow.",
        seed=220706246,
        seeds=seeds,
        times=times,
        network=gfc.ReLUNetwork(widths),
        measure=gfc.measures.Uniform(0.0, 1.0),
        initialization=gfc.initializations.He(),
        targets=TARGETS,
        integrators={name: gfc.integrator(name, rtol=rtol) for name in METHODS},
    )
    return study.run(path / "data" / name)


def panels() -> tuple[Figure, np.ndarray]:
    """Return a figure with a panel for each target."""
    figure, axes = plt.subplots(1, len(TARGETS), figsize=(TEXT_WIDTH, 2.3), sharey=True, layout="constrained")
    for axis, target in zip(axes, TARGETS, strict=True):
        axis.set(title=f"target: {target}", xlabel="flow time t", xscale="log", yscale="log")
    return figure, axes


def compared(tree: xr.DataTree, network: str) -> tuple[Figure, dict[str, dict[str, float]]]:
    """Draw the risk of both flows, the median over seeds and the quartiles; return also the final medians."""
    figure, axes = panels()
    final: dict[str, dict[str, float]] = {}
    for axis, target in zip(axes, TARGETS, strict=True):
        data = tree[target].to_dataset()
        for method in METHODS:
            risk = data["risk"].sel(integrator=method)
            low, middle, high = (risk.quantile(q, "seed", skipna=False).values for q in (0.25, 0.5, 0.75))
            axis.fill_between(data["time"], low, high, color=COLOURS[method], alpha=0.2, linewidth=0)
            axis.plot(data["time"], middle, color=COLOURS[method], label=NAMES[method])
            final.setdefault(target, {})[method] = float(middle[-1])
    axes[0].set_ylabel(f"risk, networks {network}")
    axes[0].legend(loc="lower left")
    return figure, final


def in_words(final: dict[str, dict[str, float]]) -> str:
    """Return the final medians as a sentence."""
    parts = [f"{t}: {v['standard-gf']:.2g} and {v['normalized-gf']:.2g}" for t, v in final.items()]
    return f"Median risks at the end, standard and normalised: {'; '.join(parts)}."


def shallow(path: Path) -> tuple[Figure, str, str]:
    """Standard against normalised flow, one hidden layer."""
    tree = run(path, "shallow", (1, 16, 1), gfc.Times(spacing="log", start=1e-2, end=1e6, count=97), 64, 1e-6)
    figure, final = compared(tree, "1-16-1")
    claim = """Proposed is the gradient flow restricted to the submanifold M of networks whose hidden rows
    (weights and bias) have norm 1, in place of the standard flow. Proved is that M represents every function
    that the full parameter space does (abstract of arXiv:2207.06246), not that its flow ends lower."""
    shown = f"""Risk of 64 networks 1-16-1 from He initialisation (median and quartiles); both flows start
    from the same function. {in_words(final)} Flow time is not the same for both: normalisation changes
    the metric."""
    return figure, claim, shown


def deep(path: Path) -> tuple[Figure, str, str]:
    """Standard against normalised flow, two hidden layers."""
    tree = run(path, "deep", (1, 8, 8, 1), gfc.Times(spacing="log", start=1e-2, end=1e4, count=73), 16, 1e-6)
    figure, final = compared(tree, "1-8-8-1")
    claim = "The same for networks of any depth: every row of every hidden layer is normalised."
    shown = f"""Risk of 16 networks 1-8-8-1 (median and quartiles). {in_words(final)}"""
    return figure, claim, shown


def on_manifold(path: Path) -> tuple[Figure, str, str]:
    """The normalised flow stays on M, and starts from the same function."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.2), layout="constrained")
    worst = {}
    for name, style in (("shallow", "-"), ("deep", "--")):
        tree = gfc.open_study(path / "data" / name)
        data = tree["cubic"].to_dataset()
        network = gfc.ReLUNetwork([int(n) for n in data.attrs["widths"]])
        distance = data["distance_to_manifold"]
        left.plot(
            data["time"],
            np.maximum(distance.sel(integrator="normalized-gf").max("seed"), 1e-17),
            style,
            color=COLOURS["normalized-gf"],
            label=f"normalised, {'-'.join(map(str, network.widths))}",
        )
        left.plot(
            data["time"],
            distance.sel(integrator="standard-gf").median("seed", skipna=False),
            style,
            color=COLOURS["standard-gf"],
            label=f"standard (median), {'-'.join(map(str, network.widths))}",
        )
        worst[name] = float(distance.sel(integrator="normalized-gf").max())
        rng = np.random.default_rng(5)
        theta = rng.normal(size=(200, network.parameter_count))
        x = np.linspace(0.0, 1.0, 257)[:, None]
        there, here = network.realize(network.normalize(theta), x), network.realize(theta, x)
        error = np.abs(there - here).max(axis=(1, 2)) / np.abs(here).max(axis=(1, 2))
        right.hist(
            np.log10(np.maximum(error, 1e-17)),
            bins=24,
            histtype="step",
            linestyle=style,
            color="0.2",
            label="-".join(map(str, network.widths)),
        )
    left.set(xscale="log", yscale="log", xlabel="flow time t", ylabel="distance to M")
    left.legend(loc="center right")
    right.set(xlabel="log₁₀ of the largest relative change of N", ylabel="networks")
    right.legend()
    claim = """The normalised flow never leaves M, and the normalisation map changes the parameters of a
    network but not the function that it realises."""
    shown = f"""Left: distance to M along the flows on the cubic target; the largest over all seeds of the
    normalised flow is {max(worst.values()):.1e}, which is rounding. Right: largest change of N over 257
    inputs by normalisation, relative to the largest |N|, of 200 networks with normal parameters: rounding
    again."""
    return figure, claim, shown


def bounded(path: Path) -> tuple[Figure, str, str]:
    """On M every trajectory of a network 1-1-1 is bounded; for the standard flow that is open."""
    tree = run(
        path, "one_neuron", (1, 1, 1), gfc.Times(spacing="log", start=1e-2, end=1e12, count=113), 200, 1e-8
    )
    figure, axes = panels()
    largest = dict.fromkeys(METHODS, 0.0)
    for axis, target in zip(axes, TARGETS, strict=True):
        data = tree[target].to_dataset()
        for method in METHODS:
            norm = data["parameter_norm"].sel(integrator=method)
            axis.plot(data["time"], norm.T, color=COLOURS[method], alpha=0.12, linewidth=0.5)
            axis.plot(
                data["time"], norm.max("seed"), color=COLOURS[method], label=f"{NAMES[method]}: largest"
            )
            largest[method] = max(largest[method], float(norm.max()))
    axes[0].set_ylabel("norm of the parameters |Θₜ|")
    axes[-1].legend(loc="lower right")
    frame = gfc.certificates.certify(tree)
    proved = {m: frame[(frame["integrator"] == m) & (frame["verdict"] == "limit-proven")] for m in METHODS}
    total = len(frame) // len(METHODS)
    claim = """For networks 1-1-1 and a Lipschitz continuous target every trajectory of the normalised
    flow is bounded; for the standard flow that is an open problem (abstract of arXiv:2207.06246, 2022)."""
    shown = f"""200 networks 1-1-1 for each target, to t = 10^12; thin lines are trajectories, thick ones
    the largest norm at each time. The largest norm of all is {largest["normalized-gf"]:.3g} for the
    normalised flow and {largest["standard-gf"]:.3g} for the standard one, which is bounded here too: no
    counterexample is seen. From the state at t = 10^12 on it is proved in ball arithmetic that the exact flow
    converges, so stays bounded, for {len(proved["normalized-gf"])} of {total} trajectories of the normalised
    flow and {len(proved["standard-gf"])} of the standard one (gfcompare certify)."""
    return figure, claim, shown


def main() -> None:
    """Draw every figure."""
    path = writing.folder("eberle_jentzen_riekert_weiss")
    for name, draw in (
        ("shallow", shallow),
        ("deep", deep),
        ("on_manifold", on_manifold),
        ("bounded", bounded),
    ):
        with context():
            writing.write(path, name, *draw(path))


if __name__ == "__main__":
    main()
