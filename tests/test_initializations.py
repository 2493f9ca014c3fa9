"""Initial networks: the distributions their papers name, scales, and the submanifold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, vector_network
from scipy.stats import kstest, norm, uniform

import gfcompare as gfc

I = gfc.initializations  # noqa: E741
ALL = (I.He, I.Xavier, I.Uniform, I.Normal, I.Sphere)
DEEP = gfc.ReLUNetwork([3, 5, 4, 2])


def layers(initialization, network, count=4000, seed=0):
    rng = np.random.default_rng(seed)
    return network.layers(np.stack([initialization.draw(network, rng) for _ in range(count)]))


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("widths", [[1, 1, 1], [1, 16, 3], [2, 3, 4, 1]])
def test_draws(cls, widths):
    network = gfc.ReLUNetwork(widths)
    theta = cls().draw(network, np.random.default_rng(1))
    assert theta.shape == (network.parameter_count,)
    assert np.isfinite(theta).all()
    assert np.array_equal(theta, cls().draw(network, np.random.default_rng(1)))
    assert not np.array_equal(theta, cls().draw(network, np.random.default_rng(2)))


def test_he():
    for k, layer in enumerate(layers(I.He(), DEEP)):
        deviation = np.sqrt(2 / DEEP.widths[k])
        assert kstest(layer.weight.ravel(), norm(0, deviation).cdf).pvalue > 1e-3
        if k < 2:
            assert kstest(layer.bias.ravel(), norm(0, deviation).cdf).pvalue > 1e-3
        else:
            assert not layer.bias.any()
    for layer in layers(I.He(bias_scale=0.0), DEEP, 3):
        assert not layer.bias.any()


def test_xavier():
    for k, layer in enumerate(layers(I.Xavier(), DEEP)):
        limit = np.sqrt(6 / (DEEP.widths[k] + DEEP.widths[k + 1]))
        assert kstest(layer.weight.ravel(), uniform(-limit, 2 * limit).cdf).pvalue > 1e-3
        assert layer.weight.var() == pytest.approx(limit**2 / 3, rel=0.02, abs=0)
    assert not layers(I.Xavier(), DEEP, 3)[-1].bias.any()


@pytest.mark.parametrize(
    ("initialization", "law"), [(I.Uniform(0.3), uniform(-0.3, 0.6)), (I.Normal(2.0), norm(0, 2.0))]
)
def test_uniform_and_normal(initialization, law):
    for layer in layers(initialization, DEEP):
        assert kstest(layer.weight.ravel(), law.cdf).pvalue > 1e-3
        assert kstest(layer.bias.ravel(), law.cdf).pvalue > 1e-3


def test_sphere():
    network = gfc.ReLUNetwork([1, 6, 2])
    first, last = layers(I.Sphere(scale=0.5), network)
    angle = np.arctan2(first.bias, first.weight[..., 0]).ravel()
    assert np.abs(np.hypot(first.bias, first.weight[..., 0]) - 1).max() < 1e-15 * 2
    assert kstest(angle, uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    assert kstest(last.weight.ravel(), norm(0, 0.5 * np.sqrt(2 / 6)).cdf).pvalue > 1e-3
    assert not last.bias.any()


@pytest.mark.parametrize("cls", (I.He, I.Xavier, I.Uniform, I.Normal))
def test_scale_is_a_factor(cls):
    one = cls().draw(DEEP, np.random.default_rng(0))
    assert np.allclose(cls(scale=0.25).draw(DEEP, np.random.default_rng(0)), 0.25 * one, rtol=1e-15)
    assert not cls(scale=0.0).draw(DEEP, np.random.default_rng(0)).any()


@QUICK
@given(st.sampled_from(ALL), st.integers(0, 10**6), st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_on_the_manifold_it_is_the_same_function(cls, seed, hidden):
    network = gfc.ReLUNetwork([1, *hidden, 2])
    plain = cls().draw(network, np.random.default_rng(seed))
    normal = cls(on_manifold=True).draw(network, np.random.default_rng(seed))
    assert network.distance_to_manifold(normal) < 1e-14
    x = np.linspace(-2, 2, 41)
    before, after = (vector_network(network.widths, theta, x) for theta in (plain, normal))
    assert np.abs(before - after).max() < 1e-12 * (1 + np.abs(before).max())


def test_near_affine_is_nearly_affine():
    network = gfc.ReLUNetwork([1, 5, 1])
    x = np.linspace(100, 101, 21)
    for slope in (2.0, -0.5, 0.0):
        make = I.NearAffine(slope=slope, intercept=-3.0, lower=100.0, spread=0.0)
        theta = make.draw(network, np.random.default_rng(0))
        assert np.abs(network.realize(theta, x)[:, 0] - (slope * x - 3.0)).max() < 1e-12
    rng = np.random.default_rng(0)
    risks = []
    for spread in (0.1, 0.01):
        problem = gfc.Problem(network, gfc.targets.Affine(1.0, 0.0), gfc.measures.Uniform())
        draws = [I.NearAffine(spread=spread).draw(network, rng) for _ in range(100)]
        risks.append(np.median(problem.risk(draws)))
    assert 30 < risks[0] / risks[1] < 300  # the risk is quadratic in the noise
    with pytest.raises(gfc.InputError, match=r"near-affine needs widths \[1, H, 1\], got \[1, 2, 2\]"):
        I.NearAffine().draw(gfc.ReLUNetwork([1, 2, 2]), rng)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("scale", [-1.0, np.nan, np.inf])
def test_wrong_scales(cls, scale):
    with pytest.raises(gfc.InputError, match="scale must be finite and not negative"):
        cls(scale=scale)
