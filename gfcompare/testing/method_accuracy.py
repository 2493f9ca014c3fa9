"""Checks of what a method claims to follow: against SciPy's DOP853 on the gradient, and its cost."""

from __future__ import annotations

import numpy as np

from gfcompare.components.errors import InputError
from gfcompare.integrators.base import Integrator, check_method
from gfcompare.testing import runs
from gfcompare.testing.declarations import has_option, made, with_options
from gfcompare.testing.records import Broken, NotApplicable, Subject, expect
from gfcompare.testing.sample_problems import Sample, sample, smooth


def first_step(subject: Subject) -> str:
    """Check that the first step agrees with -dt G, on M with -dt P G, up to dt^2."""
    method = _claiming(subject)
    given = smooth()
    network = given.problem.network
    theta = network.normalize(given.theta) if method.on_manifold else given.theta
    slope = given.problem.gradient(theta)
    slope = network.project(theta, slope) if method.on_manifold else slope
    sizes = np.array([4e-3, 1e-3])
    errors = []
    for dt in sizes.tolist():
        found = runs.run(_precise(method, dt), given, (dt,)).theta[:, 0]
        errors.append(float(np.linalg.norm(found - (theta - dt * slope))))
    # Of order dt^2: a quarter of the step has at most an eighth of the error.
    expect(
        errors[1] <= errors[0] / 8 + 1e-9,
        "the first step is -dt G (on M, -dt P G) up to dt^2",
        f"for dt = {sizes[0]:g} and {sizes[1]:g} it is off by {errors[0]:.2g} and {errors[1]:.2g}",
        "Check sign and factor: the risk has no factor 1/2. Claim no order or flow (follows) otherwise",
    )
    return ""


def order(subject: Subject) -> str:
    """Check that the declared order of convergence to the flow is measured, to 0.15."""
    method = made(subject)
    if method.order is None:
        raise NotApplicable("it declares no order")
    if not has_option(method, "step_size"):
        raise Broken(f"order = {method.order} is in the option step_size, which it has not. Leave order out.")
    given, time = smooth(), 0.4
    expected = runs.reference(given, time, normalized=method.on_manifold)
    counts = np.array([80, 160, 320] if method.order == 1 else [10, 20, 40])
    errors = []
    for count in counts.tolist():
        found = runs.run(with_options(method, step_size=time / count), given, (time,)).theta[:, 0]
        errors.append(float(np.linalg.norm(found - expected)))
    slope = -float(np.polyfit(np.log(counts), np.log(np.maximum(errors, 1e-300)), 1)[0])
    expect(
        abs(slope - method.order) <= 0.15,
        f"the error at a flow time falls like the step size to the power order = {method.order}",
        f"with {', '.join(map(str, counts.tolist()))} steps to time {time:g} it is "
        f"{', '.join(f'{e:.2g}' for e in errors)}: order {slope:.2f}",
        "Declare the order that is measured, or none: order: ClassVar[int | None] = None",
    )
    return ""


def manifold(subject: Subject) -> str:
    """Check that a method that says it lives on M stays there to rounding."""
    method = made(subject)
    if not method.on_manifold:
        raise NotApplicable("it does not say that it lives on M")
    given = sample()
    theta = runs.run(method, given).theta
    theta = theta[np.isfinite(theta).all(axis=-1)]
    off = max(float(np.abs(norms - 1.0).max()) for norms in given.problem.network.row_norms(theta))
    expect(
        off <= 1e-12,
        "every hidden row and bias of a method with on_manifold has norm 1 to rounding",
        f"a norm is off by {off:.2g}",
        "Retract after each step: problem.network.retract(theta)",
    )
    return ""


def follows(subject: Subject) -> str:
    """Check that the flow that it claims is the one that it integrates, up to its tolerance."""
    method = made(subject)
    if method.follows is None:
        raise NotApplicable("it does not claim to follow a flow")
    try:
        check_method(method)
    except InputError as error:
        raise Broken(f"follows agrees with the rest of the method; here: {error}") from None
    given, time = sample(), 1.0
    expected = runs.reference(given, time, normalized=method.follows == "normalized")
    for rtol in (1e-4, 1e-7):
        found = runs.run(with_options(method, rtol=rtol), given, (time,)).theta[:, 0]
        off = float(np.abs(found - expected).max())
        expect(
            off <= 1e3 * rtol,
            f"a method with follows = {method.follows!r} integrates that flow up to its rtol",
            f"with rtol = {rtol:g} it is off by {off:.2g} at time {time:g}, by SciPy's DOP853",
            "Check velocity: -G, on M -P G; or leave follows out",
        )
    return ""


def evaluation_counts(subject: Subject) -> str:
    """Check that what the core counts is what is evaluated."""
    method, given = made(subject), sample()
    for rows in ([0], [0, 1, 2]):
        part = Sample(given.problem, given.theta[rows])
        with runs.tallied() as tally:
            counted, state = runs.begun(method, part)
            method.advance(counted, state, 1.0)
        own = {key: int(getattr(counted, key).sum()) for key in tally}
        expect(
            own == tally,
            "all that a method evaluates goes through the problem that it is handed",
            f"of {len(rows)} trajectories the core has counted {own}, and evaluated were {tally}",
            "Use the `problem` that step, velocity or advance is given, and problem.only(m) for row m alone",
        )
    return ""


def _claiming(subject: Subject) -> Integrator:
    """Return the method, or raise NotApplicable if it claims neither a flow nor an order."""
    method: Integrator = made(subject)
    if method.follows is None and method.order is None:
        raise NotApplicable("it claims neither a flow (follows) nor an order")
    return method


def _precise(method: Integrator, dt: float) -> Integrator:
    """Return a method with this step size, or with a tolerance that does not show."""
    if method.follows is None:
        return with_options(method, step_size=dt)  # type: ignore[no-any-return]
    return with_options(method, rtol=1e-9)  # type: ignore[no-any-return]
