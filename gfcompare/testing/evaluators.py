"""Checks of an evaluator: what it applies to, and that risk and gradient are of one problem."""

from __future__ import annotations

import cloudpickle
import numpy as np

from gfcompare.components.errors import InputError
from gfcompare.evaluators.base import Applicability, Evaluator
from gfcompare.hooks.announced import check_class
from gfcompare.integrators.status import Array
from gfcompare.network import ReLUNetwork
from gfcompare.testing.evaluator_problems import (
    check_array,
    check_declared,
    check_some,
    evaluator_of,
    every_parts,
    expected_risk,
    near,
    samples,
    where,
)
from gfcompare.testing.records import Broken, Subject, expect, numbers, told


def declaration(subject: Subject) -> str:
    """Check that it is what the hook may announce: a concrete class with a name and a tuple of measures."""
    try:
        check_class("evaluators", subject.cls)
    except InputError as error:
        raise Broken(
            f"an evaluator is a class with a name, measures, and all that gfc.Evaluator leaves open; here: "
            f"{told(error)}. Without that gfcompare leaves the plugin out."
        ) from None
    return ""


def applies(subject: Subject) -> str:
    """Check that it says of every problem whether it applies, and why or why not; and applies to some."""
    cls = subject.cls
    check_declared(subject)
    for parts in every_parts(subject):
        found, again = cls.applies(parts), cls.applies(parts)
        widths = list(parts.network.widths)
        right = isinstance(found, Applicability) and bool(str(found.reason).strip())
        right = right and (not found.applies or bool(found.accuracy.strip()))
        expect(
            right and (found.applies, found.reason) == (again.applies, again.reason),
            "applies returns gfc.Applicability.yes(reason, accuracy, build) or .no(reason), each in words",
            f"for widths {widths} and the target {parts.target.name!r} it returned {found!r:.80}",
            'Write return gfc.Applicability.no("the network has 2 hidden layers, not one")',
        )
        if found.build is not None:
            built = found.build()
            expect(
                isinstance(built, cls) and built.network is parts.network,
                "build returns an evaluator of the class, for the network of parts",
                f"for widths {widths} it returned {built!r:.60}",
                "Write lambda: cls(parts), and super().__init__(parts.network, parts.draw)",
            )
    check_some(subject)
    return f"it applies to {len(samples(subject))} of the sample problems"


def shapes(subject: Subject) -> str:
    """Check that risks are finite numbers (M,), gradients (M, P), data arrays, and cost a positive number."""
    for given in samples(subject):
        own, named = evaluator_of(given), where(given)
        for count in (3, 1):
            thetas = given.theta[:count].copy()
            fix = "Compute all rows: thetas has the shape (M, P)"
            check_array(own.risks(thetas), (count,), "risks(thetas)", named, fix)
            check_array(own.gradients(thetas), thetas.shape, "gradients(thetas)", named, fix)
        cost = own.cost
        expect(
            isinstance(cost, float | int) and 0 < cost < np.inf,
            "cost is roughly the number of operations of a gradient",
            f"it is {cost!r:.60}",
            "Return a positive number from a property",
        )
    return ""


def value(subject: Subject) -> str:
    """Check that it is the same after a way through pickle to a worker, and at each call."""
    for given in samples(subject):
        own = evaluator_of(given)
        thetas = given.theta.copy()
        risks, gradients = own.risks(thetas), own.gradients(thetas)
        expect(
            np.array_equal(thetas, given.theta),
            "thetas is left as it is",
            "it has been written into",
            "Work on thetas.copy()",
        )
        try:
            back: Evaluator = cloudpickle.loads(cloudpickle.dumps(own))
        except Exception as error:
            raise Broken(
                f"an evaluator can be pickled, because workers get it that way; here pickle raised "
                f"{type(error).__name__}: {error}. Keep files, locks and handles of libraries out of it."
            ) from None
        for other in (own, back):
            expect(
                np.array_equal(other.risks(thetas), risks)
                and np.array_equal(other.gradients(thetas), gradients),
                "risk and gradient are functions of theta: the same at each call and after pickle",
                f"{'a second call' if other is own else 'the unpickled one'} gave other values",
                "Keep nothing from call to call, and all that it is in its attributes",
            )
    return ""


def risk(subject: Subject) -> str:
    """Check that the risk is the mean of |N - f|^2 under the measure, integrated independently."""
    for given in samples(subject):
        found, exact = evaluator_of(given).risks(given.theta), subject.cls.exact
        for m, own in enumerate(found):
            mean, error, how = expected_risk(given, m)
            allowed = 6.0 * error + (1e-8 if exact else 1e-2) * abs(mean)
            expect(
                abs(own - mean) <= allowed,
                "the risk is the mean of |N(x) - f(x)|^2 under the measure, without a factor 1/2",
                f"it is {own:.10g}, and {mean:.10g} by {how}{where(given)}",
                "Check the density, that outputs are added up, and the target of parts",
            )
    return ""


def gradient(subject: Subject) -> str:
    """Check that the gradient is that of the risk, by differences, wherever the risk is smooth."""
    for given in samples(subject):
        own, theta = evaluator_of(given), given.theta[0]
        h = 1e-4 if given.problem.smooth else 1e-7
        unit = h * np.eye(len(theta))
        ahead, behind, here = own.risks(theta + unit), own.risks(theta - unit), own.risks(theta[None])
        far = own.risks(theta + 2 * unit) - own.risks(theta - 2 * unit)
        differences = (8.0 * (ahead - behind) - far) / (12.0 * h)
        found = own.gradients(theta[None])[0]
        size = 1.0 + float(np.abs(found).max())
        # Where one-sided slopes differ the risk has a kink: a pre-activation is 0 at a point.
        smooth = np.abs(ahead + behind - 2.0 * here) / h <= 1e-2 * size
        tolerance = 1e-6 if subject.cls.exact else 1e-2
        worst = int(np.argmax(np.where(smooth, np.abs(found - differences), 0.0)))
        expect(
            not smooth[worst] or abs(found[worst] - differences[worst]) <= tolerance * size,
            "gradients(thetas) is the gradient of risks(thetas)",
            f"the derivative by parameter {worst} is {found[worst]:.10g}, and by differences of the risk "
            f"{differences[worst]:.10g}{where(given)}",
            "Parameters come layer by layer, each W row by row, then its bias: network.layers(theta)",
        )
    return ""


def zero_neurons(subject: Subject) -> str:
    """Check that a neuron that is nowhere active, or 0 altogether, has the gradient 0, and all is finite."""
    for given in samples(subject):
        own, network = evaluator_of(given), given.problem.network
        hidden = network.hidden[0]
        for bias in (0.0, -1.0):
            for rows in ([0], list(range(hidden))):
                theta = _with_neurons(network, given.theta[0], rows, 0.0, bias)
                found = own.gradients(theta[None])
                risks = own.risks(theta[None])
                fix = "Compute all rows: thetas has the shape (M, P)"
                check_array(found, (1, theta.size), "gradients(thetas)", " with a neuron w = 0", fix)
                check_array(risks, (1,), "risks(thetas)", " with a neuron w = 0", fix)
                first = network.first_layer(found[0])
                slopes = np.concatenate([first.weight[rows].ravel(), first.bias[rows]])
                expect(
                    not slopes.any(),
                    f"with s'(0) = 0 the gradient by a neuron with w = 0, b = {bias:g} is 0",
                    f"it is {numbers(slopes[:3])}{where(given)}",
                    "A neuron is active where w.x + b > 0, and not where it is 0",
                )
    return ""


def same_function(subject: Subject) -> str:
    """Check that the risk depends on the function alone: rescaled, permuted and equal neurons."""
    for given in samples(subject):
        own, network, theta = evaluator_of(given), given.problem.network, given.theta[0]
        hidden = network.hidden[0]
        order = np.roll(np.arange(hidden), 1)
        layers = [(layer.weight.copy(), layer.bias.copy()) for layer in network.layers(theta)]
        (weight, bias), (outgoing, offset) = layers[:2]
        permuted = [(weight[order], bias[order]), (outgoing[:, order], offset), *layers[2:]]
        pairs = {
            "its rows are rescaled to norm 1": (theta, network.normalize(theta)),
            "its neurons are in another order": (theta, network.join(permuted)),
        }
        if hidden > 1:
            dead = _with_neurons(network, theta, [1], 0.0, -1.0)
            weight[1], bias[1] = weight[0], bias[0]
            outgoing[:, 0], outgoing[:, 1] = 0.25 * outgoing[:, 0], 0.75 * outgoing[:, 0]
            pairs["a neuron is cut into two equal ones"] = (dead, network.join(layers))
        tolerance = 1e-9 if subject.cls.exact else 1e-6
        for what, (one, other) in pairs.items():
            first, second = own.risks(np.stack([one, other]))
            expect(
                abs(first - second) <= tolerance * abs(first) + 1e-14,
                "the risk is one of the function that the network is",
                f"it is {first:.12g}, and {second:.12g} where {what}{where(given)}",
                "Look at neurons whose breakpoints coincide, and at norms of rows",
            )
    return ""


def batch_as_single(subject: Subject) -> str:
    """Check that a row has the same risk and gradient in a batch and alone."""
    for given in samples(subject):
        own = evaluator_of(given)
        for name in ("risks", "gradients"):
            function = getattr(own, name)
            together = function(given.theta)
            alone = np.concatenate([function(given.theta[m : m + 1]) for m in range(len(given.theta))])
            expect(
                near(together, alone, 1e-12),
                "a row of thetas does not depend on its neighbours",
                f"{name} of three rows are {numbers(np.ravel(together)[:3])} together and "
                f"{numbers(np.ravel(alone)[:3])} alone{where(given)}",
                "Reduce over the last axis only",
            )
    return ""


def _with_neurons(network: ReLUNetwork, theta: Array, rows: list[int], weight: float, bias: float) -> Array:
    """Return parameters with another weight and bias of some neurons of the first layer."""
    layers = [(layer.weight.copy(), layer.bias.copy()) for layer in network.layers(theta)]
    layers[0][0][rows], layers[0][1][rows] = weight, bias
    return network.join(layers)
