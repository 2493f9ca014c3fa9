"""The normal distribution as a measure: its options, its samples, its points."""

from __future__ import annotations

import numpy as np
import pytest

import gfcompare as gfc
from gfcompare.components.errors import InputError

FULL = [[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 0.7]]
SINGULAR = [[1.0, 2.0, -1.0], [2.0, 5.0, -1.0], [-1.0, -1.0, 2.0]]


@pytest.mark.parametrize(
    ("covariance", "matrix"),
    [(2.0, 2.0 * np.eye(3)), ([1.0, 0.0, 4.0], np.diag([1.0, 0.0, 4.0])), (FULL, FULL), (SINGULAR, SINGULAR)],
)
def test_samples_have_mean_and_covariance(covariance, matrix):
    measure = gfc.measures.Gaussian([1.0, -2.0, 0.5], covariance, 3)
    points = measure.sample(np.random.default_rng(0), 100_000)
    assert np.abs(points.mean(axis=0) - [1.0, -2.0, 0.5]).max() < 0.03
    assert np.abs(np.cov(points.T) - matrix).max() < 0.06
    fixed = measure.discretize(4096, rule="sobol").points
    assert np.abs(fixed.mean(axis=0) - [1.0, -2.0, 0.5]).max() < 1e-3
    assert np.abs(np.cov(fixed.T) - matrix).max() < 0.02
    assert ((points >= measure.box[:, 0]) & (points <= measure.box[:, 1])).all()


def test_the_factor_of_a_matrix_has_its_rank():
    for matrix, rank in ((FULL, 3), (SINGULAR, 2)):
        factor = gfc.measures.Gaussian(covariance=matrix, dimension=3).factor
        assert factor.shape == (3, rank)
        assert np.abs(factor @ factor.T - matrix).max() < 1e-14
    assert gfc.measures.Gaussian(covariance=np.diag([1.0, 2.0]), dimension=2).factor.shape == (1, 2)


def test_the_smallest_uniform_number_is_no_infinity():
    assert np.isfinite(gfc.measures.Gaussian(dimension=2).transport(np.zeros((1, 2)))).all()


def test_one_dimension_has_quantiles():
    points = gfc.measures.Gaussian(dimension=1).discretize(101, rule="quantiles").points
    assert points[50, 0] == pytest.approx(0.0, abs=1e-15)
    assert np.allclose(points, -points[::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"covariance": [[1.0, 2.0], [0.0, 1.0]]}, "symmetric"),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "positive semidefinite"),
        ({"covariance": -1.0}, "negative"),
        ({"covariance": 0.0}, "not all 0"),
        ({"covariance": [[0.0, 0.0], [0.0, 0.0]]}, "zero"),
        ({"covariance": [1.0, 2.0, 3.0]}, "dimension = 2"),
        ({"covariance": [[1.0], [1.0, 2.0]]}, "covariance must be"),
        ({"covariance": float("nan")}, "finite"),
        ({"mean": [0.0, 1.0, 2.0]}, "mean must be"),
        ({"mean": "a"}, "mean must be"),
        ({"dimension": 0}, "from 1 to 1000"),
        ({"dimension": 1001}, "from 1 to 1000"),
    ],
)
def test_what_is_no_normal_distribution_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        gfc.measures.Gaussian(**({"dimension": 2} | options))


def test_a_study_file_names_it(tmp_path):
    text = """
name = "g"
seeds = 1
[times]
spacing = "log"
start = 0.1
end = 1.0
count = 3
[network]
widths = [2, 3, 1]
[measure]
name = "gaussian"
mean = [0.5, 0.0]
covariance = [[1.0, 0.5], [0.5, 2.0]]
dimension = 2
[initialization]
name = "he"
[targets.single-index]
name = "ridge"
direction = [0.6, 0.8]
profile = { name = "hermite-polynomial", coefficients = [0.0, 0.0, 1.0] }
[integrators.gd]
step_size = 0.01
"""
    (tmp_path / "g.toml").write_text(text)
    study = gfc.Study.from_toml(tmp_path / "g.toml")
    (problem,) = study.problems
    assert problem.measure == gfc.measures.Gaussian([0.5, 0.0], [[1.0, 0.5], [0.5, 2.0]], 2)
    assert hash(problem.measure) == hash(gfc.measures.Gaussian((0.5, 0.0), ((1.0, 0.5), (0.5, 2.0)), 2))
