"""Checks of an initialisation: shapes, seeds, and its options scale and on_manifold."""

from __future__ import annotations

import numpy as np

from gfcompare.components.errors import InputError
from gfcompare.initializations import Initialization
from gfcompare.integrators.status import Array
from gfcompare.network import ReLUNetwork
from gfcompare.testing.declarations import made, with_options
from gfcompare.testing.records import Broken, NotApplicable, Subject, expect, numbers

_WIDTHS = ((1, 4, 1), (1, 1, 1), (2, 5, 3), (1, 3, 3, 1))


def shapes(subject: Subject) -> str:
    """Check that for every network it draws P finite numbers of type float64, or says why not."""
    initialization: Initialization = made(subject)
    remarks = []
    for network in map(ReLUNetwork, _WIDTHS):
        try:
            theta = initialization.draw(network, np.random.default_rng(0))
        except InputError as error:
            remarks.append(str(error))
            continue
        count = network.parameter_count
        array = isinstance(theta, np.ndarray)
        right = array and theta.dtype == np.float64 and theta.shape == (count,)
        expect(
            right and bool(np.isfinite(theta).all()),
            f"draw returns P = {count} finite numbers of float64 for widths {list(network.widths)}",
            f"it returned {theta.dtype} of shape {theta.shape}" if array else f"it returned {theta!r:.60}",
            "Return network.join([(weight, bias), ...])",
        )
    if len(remarks) == len(_WIDTHS):
        raise Broken(
            f"an initialisation draws a network with some widths; here none, of {_WIDTHS}: {remarks[0]} "
            "Return P = network.parameter_count numbers from parameters(network, rng)."
        )
    return f"it says why not: {remarks[0]}" if remarks else ""


def seeds(subject: Subject) -> str:
    """Check that the same seed gives the same bits, and another seed gives another network."""
    initialization: Initialization = made(subject)
    network = ReLUNetwork(_WIDTHS[0])
    before = str(np.random.get_state())  # noqa: NPY002 (that it is not used is what is checked)
    first = _drawn(initialization, network, 0)
    other = _drawn(initialization, network, 1)
    again = _drawn(initialization, network, 0)
    expect(
        first.tobytes() == again.tobytes(),
        "the same seed gives the same network",
        "a second draw from the same seed gave another one",
        "Draw from rng alone, and keep nothing from draw to draw",
    )
    expect(
        before == str(np.random.get_state()),  # noqa: NPY002
        "random numbers come from the generator that is given",
        "numpy's global generator has moved on",
        "Replace numpy.random.normal by rng.normal",
    )
    fixed = float(initialization.scale) == 0.0
    expect(
        fixed or not np.array_equal(first, other),
        "another seed gives another network",
        "two seeds gave the same one",
        "Draw from rng, or waive this check with the reason",
    )
    return ""


def scale(subject: Subject) -> str:
    """Check that scale multiplies what is drawn: on M the weights of the last layer alone."""
    initialization: Initialization = made(subject)
    network = ReLUNetwork(_WIDTHS[0])
    plain = with_options(initialization, scale=1.0, on_manifold=False)
    one = _drawn(plain, network, 0)
    two = _drawn(with_options(plain, scale=2.0), network, 0)
    on_m = float(network.distance_to_manifold(one)) < 1e-12
    keep = network.members(["weight_2"]) if on_m else np.ones(one.shape, dtype=bool)
    expect(
        bool(np.allclose(two[keep], 2.0 * one[keep], rtol=1e-12, atol=0.0)),
        "scale = 2 doubles what is drawn",
        f"{numbers(one[keep][:3])} became {numbers(two[keep][:3])}",
        "Write parameters(network, rng) without scale: draw multiplies by it",
    )
    return ""


def manifold(subject: Subject) -> str:
    """Check that with on_manifold it returns the same function, on the submanifold M."""
    initialization: Initialization = made(subject)
    network = ReLUNetwork(_WIDTHS[0])
    plain = _drawn(with_options(initialization, on_manifold=False), network, 0)
    on_m = _drawn(with_options(initialization, on_manifold=True), network, 0)
    away = float(network.distance_to_manifold(on_m))
    expect(
        away <= 1e-12,
        "with on_manifold = true each hidden row and bias has norm 1",
        f"the distance to M is {away:.2g}",
        "Leave draw to the base, or return network.normalize(theta)",
    )
    x = np.linspace(-1.0, 1.0, 9)
    expect(
        bool(np.allclose(network.realize(plain, x), network.realize(on_m, x), rtol=0, atol=1e-12)),
        "the network on M is the same function",
        "it is another one",
        "Use network.normalize, which also changes the outgoing weights, and not network.retract",
    )
    return ""


def _drawn(initialization: Initialization, network: ReLUNetwork, seed: int) -> Array:
    try:
        return initialization.draw(network, np.random.default_rng(seed))
    except InputError as error:
        raise NotApplicable(str(error)) from None
