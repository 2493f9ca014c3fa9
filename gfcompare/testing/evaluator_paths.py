"""Checks of an evaluator beside risk and gradient: points, data, Hessians, blocks of steps, flows."""

from __future__ import annotations

import hashlib

import numpy as np

from gfcompare.evaluators.base import Evaluator
from gfcompare.hooks.registry import integrator
from gfcompare.integrators.status import DIVERGENCE_NORM
from gfcompare.targets import Labels
from gfcompare.testing import runs
from gfcompare.testing.evaluator_problems import applied, check_array, evaluator_of, near, samples
from gfcompare.testing.records import NotApplicable, Subject, expect, numbers
from gfcompare.testing.sample_problems import Sample

_POINTS = 20_000
_STEPS = np.full(12, 0.02)
# Of a flow that is smooth for so short a time: a gradient that is none may ask for any number.
_MOST_STEPS = 2_000


def points_drawn(subject: Subject) -> str:
    """Check that its sampler draws from the measure, each stream by itself, with the target there."""
    for given in samples(subject):
        own, problem = evaluator_of(given), given.problem
        streams = np.random.default_rng(7).integers(0, 2**64, size=(2, 4), dtype=np.uint64)
        d, outputs = problem.network.inputs, problem.network.outputs
        moved = streams.copy()
        points, values = own.sampler(moved, _POINTS)
        fix = "Give super().__init__ the sampler parts.draw"
        check_array(points, (2, _POINTS, d), "the sampler's points", "", fix)
        check_array(values, (2, _POINTS, outputs), "the sampler's values", "", fix)
        alone, _ = own.sampler(streams[1:2].copy(), _POINTS)
        expect(
            np.array_equal(points[1:], alone) and not np.array_equal(moved, streams),
            "each random stream, a row of streams, has its own points, and is moved on",
            "a stream alone gave other points"
            if not np.array_equal(points[1:], alone)
            else "streams was left as it is: the next batch would be the same",
            fix,
        )
        if not isinstance(problem.target, Labels):
            expect(
                near(values[0, :50], np.asarray(problem.target.at(points[0, :50])), 1e-9),
                "the sampler's values are the target at its points",
                f"at x = {numbers(points[0, 0])} it is {numbers(values[0, 0])}",
                fix,
            )
        residual = problem.network.realize(given.theta[0], points[0]) - values[0]
        squares = (residual**2).sum(axis=1)
        error = 6.0 * float(squares.std()) / _POINTS**0.5
        found = float(own.risks(given.theta[:1])[0])
        expect(
            abs(float(squares.mean()) - found) <= error + 1e-9 + (0.0 if subject.cls.exact else 1e-2 * found),
            "points of the sampler have the distribution of the measure",
            f"the mean of |N - f|^2 over {_POINTS} of them is {squares.mean():.6g}, and the risk {found:.6g}",
            fix,
        )
    return ""


def data(subject: Subject) -> str:
    """Check that what data() returns tells problems apart, and is the same for the same problem."""
    seen: dict[tuple[object, ...], tuple[str, str]] = {}
    for given in samples(subject):
        problem = given.problem
        own = _digest(evaluator_of(given))
        again = _digest(applied(subject.cls, given))
        expect(
            own == again,
            "data() is the same for the same problem",
            "an evaluator that was built a second time has other data",
            "Return arrays that depend on parts alone",
        )
        key = (problem.network.widths, problem.measure)
        name = repr(problem.target)
        other = seen.setdefault(key, (own, name))
        expect(
            other[0] != own or other[1] == name,
            "data() differs for problems that differ: cells that are stored are known by it",
            f"the targets {other[1]:.60} and {name:.60} have the same",
            "Return all arrays that risk and gradient are computed from",
        )
    return ""


def _digest(own: Evaluator) -> str:
    digest = hashlib.sha256()
    for array in own.data():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def hessian(subject: Subject) -> str:
    """Check that the Hessian, if it has one, is symmetric and that of the gradient by differences."""
    looked = False
    for given in samples(subject):
        own, theta = evaluator_of(given), given.theta[0]
        if not own.has_hessian:
            continue
        looked = True
        found = own.hessians(theta[None])
        h = 1e-5
        unit = h * np.eye(len(theta))
        differences = (own.gradients(theta + unit) - own.gradients(theta - unit)) / (2.0 * h)
        size = float(np.abs(differences).max())
        off = float(np.abs(found[0] - differences).max()) if found.shape == (1, *unit.shape) else np.inf
        asymmetry = float(np.abs(found - found.swapaxes(-1, -2)).max())
        expect(
            off <= 1e-5 * (1.0 + size) and asymmetry <= 1e-10 * (1.0 + size),
            f"hessians(thetas), (M, P, P), is the symmetric derivative of the gradient, P = {len(theta)}",
            f"it has the shape {found.shape}, is off by {off:.2g} and unsymmetric by {asymmetry:.2g}",
            "Leave has_hessian at False, or check it by differences of the gradient",
        )
    if not looked:
        raise NotApplicable("it has no exact Hessian (has_hessian)")
    return ""


def descent(subject: Subject) -> str:
    """Check that blocks of steps are those that its gradients make, also beside one that diverges."""
    for given in samples(subject):
        own, network = evaluator_of(given), given.problem.network
        for normalize in (False, True):
            theta = network.normalize(given.theta) if normalize else given.theta.copy()
            expected = theta.copy()
            for size in _STEPS:
                slope = own.gradients(expected)
                slope = network.project(expected, slope) if normalize else slope
                expected = expected - size * slope
                expected = network.retract(expected) if normalize else expected
            found = theta.copy()
            found[1] *= 1e4
            with np.errstate(all="ignore"):
                taken = own.descend(found, _STEPS, normalize=normalize, bound=DIVERGENCE_NORM)
            rows = [0, 2]
            expect(
                taken[rows].tolist() == [len(_STEPS)] * 2 and near(found[rows], expected[rows], 1e-9, 1.0),
                "descend makes the steps theta - g G(theta) of each row, beside whatever neighbours",
                f"after {taken[rows].tolist()} of {len(_STEPS)} steps{' on M' * normalize} it is off "
                f"by {float(np.abs(found[rows] - expected[rows]).max()):.2g}",
                "Leave descend to the base, which makes them from gradients",
            )
    return ""


def flow(subject: Subject) -> str:
    """Check that the flows that are integrated with it are those of its gradient, by SciPy's DOP853."""
    looked = False
    for given in samples(subject)[:4]:
        if not given.problem.smooth:
            continue
        looked = True
        part, time, rtol = Sample(given.problem, given.theta[:2]), 0.3, 1e-6
        for name, normalized in (("standard-gf", False), ("normalized-gf", True)):
            found = runs.run(integrator(name, rtol=rtol, max_steps=_MOST_STEPS), part, (time,)).theta[:, 0]
            expected = runs.reference(part, time, normalized=normalized)
            off = float(np.abs(found - expected).max())
            expect(
                off <= 1e3 * rtol * (1.0 + float(np.abs(expected).max())),
                "a flow with this evaluator follows -G, on M -P G",
                f"{name} with rtol = {rtol:g} is off by {off:.2g} at time {time:g}",
                "Leave flow_data to the base, or see that kernels.velocity knows what it returns",
            )
    if not looked:
        raise NotApplicable("on points the gradient jumps along a flow")
    return ""
