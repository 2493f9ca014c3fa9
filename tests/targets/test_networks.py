"""Networks and Hermite polynomials as targets."""

from __future__ import annotations

import numpy as np
import pytest

import gfcompare as gfc
from gfcompare.components.errors import InputError


def test_a_given_network_is_that_network():
    teacher = gfc.targets.Teacher((2, 5, 3), seed=4)
    given = gfc.targets.Network((2, 5, 3), teacher.theta)
    points = np.random.default_rng(0).normal(size=(20, 2))
    assert np.array_equal(given.at(points), teacher.at(points))
    assert hash(given) == hash(gfc.targets.Network((2, 5, 3), tuple(teacher.theta)))
    network = gfc.ReLUNetwork((2, 4, 3))
    theta = np.random.default_rng(1).normal(size=network.parameter_count)
    measure = gfc.measures.Box(-1.0, 1.0, 2)
    risks = [gfc.Problem(network, target, measure).risk(theta) for target in (teacher, given)]
    assert risks[0] == risks[1]


def test_on_the_line_it_has_its_breakpoints():
    absolute = gfc.targets.Network((1, 2, 1), [1, -1, 0, 0, 1, 1, 0])
    pieces = absolute.on(-1.0, 2.0)
    assert np.array_equal(pieces.knots, [-1.0, 0.0, 2.0])
    assert pieces(-0.5)[0] == 0.5


def test_wrong_parameters_are_refused():
    with pytest.raises(InputError, match="parameters must be 7 numbers"):
        gfc.targets.Network((1, 2, 1), [1.0, 2.0])
    with pytest.raises(InputError, match="finite"):
        gfc.targets.Network((1, 1, 1), [1.0, 2.0, np.nan, 0.0])


def test_hermite_polynomials_are_those_of_the_recurrence():
    x = np.linspace(-3.0, 3.0, 31)
    before, now = np.ones_like(x), x
    for n in range(1, 9):
        target = gfc.targets.HermitePolynomial([0.0] * n + [1.0])
        assert np.allclose(target.at(x[:, None])[:, 0], now, rtol=1e-12, atol=1e-12)
        assert np.allclose(target.on(-3.0, 3.0)(x[:-1])[:, 0], now[:-1], rtol=1e-11, atol=1e-10)
        before, now = now, x * now - n * before
    assert gfc.targets.HermitePolynomial([[1.0], [0.0, 1.0]]).outputs == 2
