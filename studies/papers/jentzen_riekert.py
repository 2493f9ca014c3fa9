"""A figure for each statement of Jentzen and Riekert that can be seen numerically.

A. Jentzen, A. Riekert, "Convergence analysis for gradient flows in the training of artificial neural networks
with ReLU activation", arXiv:2107.04479, doi:10.1016/j.jmaa.2022.126601.

    python studies/papers/jentzen_riekert.py [folder for the figures]
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import writing
from matplotlib.figure import Figure

import gfcompare as gfc
from gfcompare.certificates import certify_state
from gfcompare.critical_points import Kind, normal_form
from gfcompare.figures.theme import COLUMN_WIDTH, TEXT_WIDTH, context

UNIFORM = gfc.measures.Uniform(0.0, 1.0)
FLOW = gfc.integrator("standard-gf", rtol=1e-8)
BLUE, ORANGE, GREY = "#0173b2", "#de8f05", "0.55"


def flow(problem: gfc.Problem, theta: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is drawn of the standard flow from theta, shape (M, P), each of shape (M, T)."""
    data = gfc.integrate(problem, FLOW, theta, times)
    assert np.isin(data["status"], [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    parts = [data[k].values for k in ("weight_1", "bias_1", "weight_2", "bias_2")]
    states = np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=-1)
    names = ("risk", "gradient_norm", "parameter_norm")
    return {name: data[name].values for name in names} | {"theta": states}


def logarithmic(axis: plt.Axes, ylabel: str) -> None:
    """Label an axis over flow time, both logarithmic."""
    axis.set(xscale="log", yscale="log", xlabel="flow time t", ylabel=ylabel)


def convergence() -> tuple[Figure, str, str]:
    """The risk of every bounded trajectory converges to the risk of a critical point."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 8, 1)), gfc.targets.Sine(), UNIFORM)
    theta = np.stack(
        [gfc.initializations.He().draw(problem.network, np.random.default_rng(s)) for s in range(41)]
    )
    times = np.concatenate([[0.0], np.geomspace(1e-2, 1e10, 145), [1e20]])
    drawn = flow(problem, theta, times)
    certificates = [certify_state(problem, row) for row in drawn["theta"][:, -1]]
    proved = np.array([certificate.proven for certificate in certificates])
    found = {name: values[proved] for name, values in drawn.items()}
    saddles = sum(certificate.index > 0 for certificate in certificates)
    assert proved.sum() + saddles == len(theta)
    limit = found["risk"][:, -1:]
    above = np.where(found["risk"] - limit > 1e-15, found["risk"] - limit, np.nan)
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(TEXT_WIDTH, 2.2), width_ratios=(3, 3, 2), layout="constrained"
    )
    left.plot(times[1:-1], above[:, 1:-1].T, color=BLUE, alpha=0.35, linewidth=0.7)
    logarithmic(left, "L(Θₜ) − L(ϑ)")
    middle.plot(times[1:-1], found["gradient_norm"][:, 1:-1].T, color=BLUE, alpha=0.35, linewidth=0.7)
    logarithmic(middle, "generalised gradient |G(Θₜ)|")
    order = np.argsort(limit[:, 0])
    right.plot(limit[order, 0], np.arange(1, len(order) + 1), "o", color=BLUE, markersize=2.5)
    right.set(xlabel="limit of the risk L(ϑ)", ylabel="networks, sorted", xscale="log")
    left_over = found["gradient_norm"][:, -1].max()
    claim = """For a continuous target and an input measure with a density, if a trajectory of the
    gradient flow stays bounded, then there is a critical point, a zero of the generalised gradient, whose
    risk is the limit of the risk (abstract of arXiv:2107.04479)."""
    shown = f"""{len(limit)} networks 1-8-1 from He initialisation, one period of a sine, uniform measure, to
    t = 10^20. For every trajectory shown it is proved in ball arithmetic that the exact flow from the state
    at t = 10^20 converges to the risk of a critical point, which is enclosed to 16 digits (gfcompare
    certify). {len(theta)} networks were drawn; {saddles} is not shown: two breakpoints coincide in double
    precision and its last state is at a saddle, of which no limit is proved. Every norm stays below
    {found["parameter_norm"].max():.3g}. Left: the risk minus its value at t = 10^20, as long as it is above
    10^-15. Middle: the gradient vanishes along every trajectory (at t = 10^20: at most {left_over:.1e}, which
    is rounding). Right: the {len(limit)} limits; there are many critical values, and the theorem does not say
    which one is reached."""
    return figure, claim, shown


def affine(hidden: int = 2) -> tuple[Figure, str, str]:
    """For an affine target the risk goes to 0 if it is small at the start."""
    problem = gfc.Problem(
        gfc.ReLUNetwork((1, hidden, 1)), gfc.targets.Affine(slope=1.0, intercept=0.0), UNIFORM
    )
    rng = np.random.default_rng(2107)
    count = problem.network.parameter_count
    # Networks of all sizes, and others near one that is the target already: w x + b with all neurons active.
    anywhere = rng.normal(size=(300, count)) * rng.uniform(0.2, 1.5, (300, 1))
    exact = np.concatenate([np.full(hidden, 1.0), np.full(hidden, 0.5), np.full(hidden, 1 / hidden), [-0.5]])
    near = exact + rng.normal(size=(300, count)) * np.geomspace(0.01, 1.0, 300)[:, None]
    theta = np.concatenate([anywhere, near])
    found = flow(problem, theta, np.array([0.0, 1e6, 1e14]))
    start, end = found["risk"][:, 0], found["risk"][:, -1]
    kinds = [normal_form(problem, row).kind for row in found["theta"][:, -1]]
    is_global = np.array([kind is Kind.GLOBAL_MINIMUM for kind in kinds])
    constant = 1.0 / 12.0
    inside = 2 * (hidden // 2)
    threshold = constant / (inside + 1) ** 4
    figure, axis = plt.subplots(figsize=(COLUMN_WIDTH, 2.7), layout="constrained")
    floor = 1e-32
    axis.axvspan(start.min() / 2, threshold, color=BLUE, alpha=0.1, linewidth=0)
    for level, name in ((constant, "best constant"), (threshold, f"{inside} breakpoints")):
        axis.axhline(level, color=GREY, linewidth=0.6, linestyle="--")
        axis.annotate(name, (start.min(), level), va="bottom", ha="left", fontsize=6, color="0.3")
    shown_end = np.maximum(end, floor)
    axis.plot(
        start[is_global],
        shown_end[is_global],
        "o",
        color=BLUE,
        markersize=2.2,
        alpha=0.6,
        label="global minimum",
    )
    axis.plot(
        start[~is_global],
        end[~is_global],
        "D",
        color=ORANGE,
        markersize=2.6,
        alpha=0.8,
        label="other critical point",
    )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="risk at the start L(Θ₀)",
        ylabel="limit of the risk",
        ylim=(floor / 10, 10),
    )
    axis.legend(loc="center right", frameon=True)
    below = start < threshold
    assert is_global[below].all()
    claim = f"""For an affine target αx + β under the uniform measure on [a, b] the risk of every bounded
    trajectory converges to 0 if it is small enough at the start (abstract of arXiv:2107.04479). Below the
    smallest positive critical value, α²(b − a)² / (12 (2⌊H/2⌋ + 1)⁴), is small enough: the risk does not
    rise, its limit is a critical value, and all of these are known (Cheridito, Jentzen, Rossmannek,
    arXiv:2103.10922). For H = {hidden} and f(x) = x on [0, 1] it is {threshold:.3g}."""
    shown = f"""{len(start)} networks 1-{hidden}-1, flow to t = 10^14. All {int(below.sum())} that start
    in the shaded region, below the threshold, end in a global minimum: there the risk is 0 to the
    tolerance of the flow, 1e-8 in the parameters (below {floor:.0e} it is drawn there). Of the
    {int((~below).sum())} others, {int((~is_global).sum())} end at the risk of the best constant, 1/12,
    and none at that of a function with {inside} breakpoints, which is a saddle. The kinds are those of
    arXiv:2103.10922."""
    return figure, claim, shown


def one_neuron() -> tuple[Figure, str, str]:
    """With one neuron and an affine target boundedness need not be assumed, if the risk is small at first."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Affine(slope=1.0, intercept=0.0), UNIFORM)
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(200, 4)) * rng.uniform(0.2, 3.0, (200, 1))
    times = np.concatenate([[0.0], np.geomspace(1e-3, 1e12, 151)])
    found = flow(problem, theta, times)
    is_global = np.array(
        [normal_form(problem, row).kind is Kind.GLOBAL_MINIMUM for row in found["theta"][:, -1]]
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.3), layout="constrained")
    for rows, colour, name in ((is_global, BLUE, "risk to 0"), (~is_global, ORANGE, "risk to 1/12")):
        style = {"color": colour, "alpha": 0.3, "linewidth": 0.6}
        left.plot(times[1:], found["parameter_norm"][rows, 1:].T, **style)
        lines = right.plot(times[1:], np.maximum(found["risk"][rows, 1:], 1e-30).T, **style)
        lines[0].set(label=f"{name}: {int(rows.sum())} networks")
    logarithmic(left, "norm of the parameters |Θₜ|")
    logarithmic(right, "risk L(Θₜ)")
    for line in (legend := right.legend(loc="lower left")).get_lines():
        line.set(alpha=1.0, linewidth=1.5)
    legend.set_zorder(5)
    growth = (found["parameter_norm"].max(axis=1) / found["parameter_norm"][:, 0]).max()
    low = found["risk"][:, 0] < 1.0 / 12.0
    assert is_global[low].all()
    claim = """For an affine target under the uniform measure and a network with one neuron, the risk of every
    trajectory, bounded or not, converges to 0 if it is small enough at the start (abstract of
    arXiv:2107.04479). Of trajectories that start higher it says nothing, nor that any is bounded: both are
    seen here, not proved there."""
    shown = f"""200 networks 1-1-1 on f(x) = x, to t = 10^12. Left: no norm grows to more than
    {growth:.3g} times its value at the start. Right: the risk goes to 0 or to 1/12, the risk of the best
    constant (below about 10^-22 the tolerance decides, below 10^-30 the floor of the figure): to 0 for all
    {int(low.sum())} that start below 1/12, and for {int((is_global & ~low).sum())} of the
    {int((~low).sum())} others; to 1/12 where the neuron dies or is dead from the start. Where the neuron is
    active on the whole interval the risk falls exponentially; where its breakpoint tends to an end, like a
    power of t."""
    return figure, claim, shown


def main() -> None:
    """Draw every figure."""
    path = writing.folder("jentzen_riekert")
    with context():
        for name, draw in (
            ("convergence", convergence),
            ("affine_target", affine),
            ("one_neuron", one_neuron),
        ):
            writing.write(path, name, *draw())


if __name__ == "__main__":
    main()
