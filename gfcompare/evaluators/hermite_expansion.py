"""Targets under a normal input measure: ReLU neurons, and a Hermite expansion of what is no neuron.

With x = m + A xi, xi standard normal, a target becomes a sum of neurons s(u.xi + a) with outgoing weights, a
constant, a linear function of xi, ridge functions He_n(z.xi) with unit vectors z, and Wick products of two
or three components of y = A xi. Of these He_2(z.xi) and :y_i y_j: = y_i y_j - E[y_i y_j] are orthogonal to
all affine functions, He_3(z.xi) and :y_i y_j y_k: to all of degree 2, and so on.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial import hermite_e, polynomial

from gfcompare.kernels.gaussian_gradient import HIGHEST_DEGREE
from gfcompare.measures import Gaussian
from gfcompare.targets import (
    AbsoluteValue,
    Affine,
    Constant,
    HermitePolynomial,
    MultivariatePolynomial,
    NetworkTarget,
    Polynomial,
    Ridge,
    Stack,
    Target,
)
from gfcompare.targets.base import Array, broadcast, coefficient_rows

#: The largest total degree of a polynomial that is no ridge function.
HIGHEST_TOTAL_DEGREE = 3


class NotExpandedError(Exception):
    """A target that has no expansion here; the message says why."""


@dataclass(frozen=True)
class Expansion:
    """A target of d inputs and K outputs, all but its neurons in terms of xi, which has r components.

    Attributes
    ----------
    rows : shape (M, d + 1), of neurons, with their biases, as functions of x
    columns : shape (K, M), their outgoing weights
    constant : shape (K,)
    linear : shape (K, r)
    ridges : shape (R, r), unit vectors
    profiles : shape (R, K, 9), coefficients of He_n, 0 for n < 2
    products : shape (T, 3), int64, components of y, -1 for none
    weights : shape (T, K)
    """

    rows: Array
    columns: Array
    constant: Array
    linear: Array
    ridges: Array
    profiles: Array
    products: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    weights: Array

    def square_of_higher(self, factor: Array) -> float:
        """Return E|f|^2 of the part of degree 2 and more; `factor` is A, or its diagonal in a row."""
        total = 0.0
        cosines = self.ridges @ self.ridges.T
        places = _spread(factor, self.ridges)
        covariance = factor @ factor.T if len(factor) > 1 or factor.size == 1 else np.diag(factor[0] ** 2)
        for n in range(2, HIGHEST_DEGREE + 1):
            profile = self.profiles[:, :, n]
            total += float(_factorial(n) * np.einsum("rk,rs,sk->", profile, cosines**n, profile))
        for n in (2, 3):
            chosen = (self.products[:, 2] >= 0) == (n == 3)
            products, weights = self.products[chosen, :n], self.weights[chosen]
            along = np.prod(places[:, products], axis=2)  # (R, T)
            profile = self.profiles[:, :, n]
            total += float(2.0 * _factorial(n) * np.einsum("rk,rt,tk->", profile, along, weights))
            gram = np.zeros((len(products), len(products)))
            for order in itertools.permutations(range(n)):
                gram += np.prod(
                    [covariance[np.ix_(products[:, m], products[:, order[m]])] for m in range(n)], axis=0
                )
            total += float(np.einsum("sk,st,tk->", weights, gram, weights))
        return total


@dataclass
class _Builder:
    """Collects the parts of an expansion."""

    measure: Gaussian
    outputs: int
    constant: Array
    linear: Array
    neurons: list[tuple[Array, float, Array]] = field(default_factory=list)
    ridges: list[tuple[Array, Array]] = field(default_factory=list)
    products: dict[tuple[int, ...], Array] = field(default_factory=dict)

    def add_neuron(self, row: Array, bias: float, column: Array) -> None:
        """Add column s(row . x + bias)."""
        self.neurons.append((row, bias, column))

    def add_linear(self, slopes: Array) -> None:
        """Add slopes . x, of shape (K, d)."""
        self.constant += slopes @ self.measure.centre
        self.linear += self.measure.whiten(slopes)

    def add_ridge(self, direction: Array, coefficients: Array) -> None:
        """Add a polynomial of direction . x, with ascending coefficients, shape (K, n + 1)."""
        row, centre = self.measure.whiten(direction), float(direction @ self.measure.centre)
        deviation = float(np.linalg.norm(row))
        inner = np.array([centre, deviation])
        hermite = np.zeros((self.outputs, HIGHEST_DEGREE + 1))
        for k, own in enumerate(coefficients):
            composed = np.array([own[-1]])
            for coefficient in own[-2::-1]:
                composed = polynomial.polyadd(polynomial.polymul(composed, inner), [coefficient])
            series = hermite_e.poly2herme(composed)
            hermite[k, : len(series)] = series
        self.constant += hermite[:, 0]
        if deviation == 0.0:
            return
        self.linear += hermite[:, 1:2] * (row / deviation)
        if hermite[:, 2:].any():
            hermite[:, :2] = 0.0
            self.ridges.append((row / deviation, hermite))

    def add_monomial(self, factors: tuple[int, ...], weights: Array) -> None:
        """Add weights, (K,), times the product of at most three components of x."""
        centre = self.measure.centre
        for count in range(len(factors) + 1):
            for chosen in itertools.combinations(range(len(factors)), count):
                rest = [factors[m] for m in range(len(factors)) if m not in chosen]
                part = weights * float(np.prod(centre[rest]))
                if part.any():
                    self._add_centred(tuple(factors[m] for m in chosen), part)

    def _add_centred(self, factors: tuple[int, ...], weights: Array) -> None:
        """Add weights times a product of components of y, which has mean 0."""
        if not factors:
            self.constant += weights
        elif len(factors) == 1:
            slopes = np.zeros((self.outputs, self.measure.dimension))
            slopes[:, factors[0]] = weights
            self.linear += self.measure.whiten(slopes)
        else:
            known = self.products.get(tuple(sorted(factors)), 0.0)
            self.products[tuple(sorted(factors))] = known + weights
            for m, n in itertools.combinations(range(len(factors)), 2):
                rest = tuple(f for place, f in enumerate(factors) if place not in (m, n))
                self._add_centred(rest, weights * self._covariance(factors[m], factors[n]))

    def _covariance(self, i: int, j: int) -> float:
        factor = self.measure.factor
        if len(factor) == 1:
            return float(factor[0, i] ** 2) if i == j else 0.0
        return float(factor[i] @ factor[j])

    def built(self) -> Expansion:
        """Return the expansion."""
        rank = self.linear.shape[1]
        rows = [np.append(row, bias) for row, bias, _ in self.neurons]
        products = [(*factors, -1)[:3] for factors in self.products]
        count = len(products)
        return Expansion(
            np.array(rows).reshape(-1, self.measure.dimension + 1),
            np.array([column for _, _, column in self.neurons]).reshape(-1, self.outputs).T.copy(),
            self.constant,
            self.linear,
            np.array([direction for direction, _ in self.ridges]).reshape(-1, rank),
            np.array([profile for _, profile in self.ridges]).reshape(-1, self.outputs, HIGHEST_DEGREE + 1),
            np.array(products, dtype=np.int64).reshape(count, 3),
            np.array(list(self.products.values())).reshape(count, self.outputs),
        )


def expand(target: Target, measure: Gaussian) -> Expansion:
    """Return the expansion of a target.

    Raises
    ------
    NotExpandedError
        for a target that has none here, with the reason
    """
    outputs = target.outputs
    rank = measure.factor.shape[1]
    builder = _Builder(measure, outputs, np.zeros(outputs), np.zeros((outputs, rank)))
    _add(builder, target, 0)
    return builder.built()


def _add(builder: _Builder, target: Target, first: int) -> None:
    """Add a target whose outputs are those of the expansion from `first` on."""
    place = np.zeros((target.outputs, builder.outputs))
    place[np.arange(target.outputs), first + np.arange(target.outputs)] = 1.0
    if isinstance(target, Stack):
        for component in target.components:
            _add(builder, component, first)
            first += component.outputs
    elif isinstance(target, NetworkTarget):
        _add_teacher(builder, target, place, np.ones(1) if target.dimension == 1 else None)
    elif isinstance(target, Constant | Affine):
        _add_affine(builder, target, place)
    elif isinstance(target, MultivariatePolynomial):
        _add_polynomial(builder, target, place)
    elif isinstance(target, Ridge):
        _add_ridge(builder, target.profile, np.array(target.direction, dtype=np.float64), place)
    elif target.dimension == 1:
        _add_ridge(builder, target, np.ones(1), place)
    else:
        raise NotExpandedError(_UNKNOWN.format(target=target.name))


_UNKNOWN = (
    "the target {target!r} has no closed form here: teachers with one hidden layer, constant and affine "
    f"targets, polynomials of total degree up to {HIGHEST_TOTAL_DEGREE}, ridge functions of a polynomial of "
    f"degree up to {HIGHEST_DEGREE} or of an absolute value, and stacks of these have"
)


def _add_affine(builder: _Builder, target: Constant | Affine, place: Array) -> None:
    zero = target.at(np.zeros((1, builder.measure.dimension)))[0]
    builder.constant += zero @ place
    if isinstance(target, Affine):
        builder.add_linear(place.T @ target.coefficients()[0])


def _add_teacher(builder: _Builder, target: NetworkTarget, place: Array, direction: Array | None) -> None:
    """Add the neurons of a teacher, along a direction if it is the profile of a ridge function."""
    if target.network.depth != 2:
        raise NotExpandedError(
            f"the teacher has {target.network.depth - 1} hidden layers, closed forms are for one"
        )
    hidden, last = target.network.layers(target.theta)
    rows = hidden.weight if direction is None else hidden.weight * direction
    for row, bias, column in zip(rows, hidden.bias, last.weight.T, strict=True):
        builder.add_neuron(row, float(bias), column @ place)
    builder.constant += last.bias @ place


def _add_polynomial(builder: _Builder, target: MultivariatePolynomial, place: Array) -> None:
    coefficients = np.array(coefficient_rows(target.coefficients, "coefficients"))
    for powers, weights in zip(target.powers, coefficients.T, strict=True):
        degree = sum(powers)
        if degree > HIGHEST_TOTAL_DEGREE and weights.any():
            raise NotExpandedError(
                f"the polynomial has a term of total degree {degree}, closed forms are for up to "
                f"{HIGHEST_TOTAL_DEGREE}"
            )
        if weights.any():
            factors = tuple(m for m, power in enumerate(powers) for _ in range(power))
            builder.add_monomial(factors, weights @ place)


def _add_ridge(builder: _Builder, profile: Target, direction: Array, place: Array) -> None:
    if isinstance(profile, NetworkTarget):
        _add_teacher(builder, profile, place, direction)
    elif isinstance(profile, AbsoluteValue):
        centre, slope, offset = broadcast(centre=profile.centre, slope=profile.slope, offset=profile.offset)
        for k in range(len(centre)):
            for sign in (1.0, -1.0):
                builder.add_neuron(sign * direction, -sign * float(centre[k]), slope[k] * place[k])
        builder.constant += offset @ place
    else:
        coefficients = _powers(profile)
        if len(coefficients[0]) > HIGHEST_DEGREE + 1:
            raise NotExpandedError(
                f"the polynomial along a direction has degree {len(coefficients[0]) - 1}, closed forms are "
                f"for up to {HIGHEST_DEGREE}"
            )
        builder.add_ridge(direction, place.T @ coefficients)


def _powers(profile: Target) -> Array:
    """Return ascending coefficients of a profile, shape (K, n + 1), or raise NotExpandedError."""
    if isinstance(profile, Constant):
        return np.array(profile.at(np.zeros((1, 1))).T)
    if isinstance(profile, Affine):
        slope, intercept = profile.coefficients()
        return np.stack([intercept, slope[:, 0]], axis=1)
    if isinstance(profile, HermitePolynomial):
        rows = [hermite_e.herme2poly(row) for row in coefficient_rows(profile.coefficients, "coefficients")]
    elif isinstance(profile, Polynomial):
        rows = [np.array(row) for row in coefficient_rows(profile.coefficients, "coefficients")]
    elif isinstance(profile, MultivariatePolynomial) and profile.dimension == 1:
        rows = []
        for row in coefficient_rows(profile.coefficients, "coefficients"):
            ascending = np.zeros(1 + max(power for (power,) in profile.powers))
            for (power,), coefficient in zip(profile.powers, row, strict=True):
                ascending[power] = coefficient
            rows.append(ascending)
    else:
        raise NotExpandedError(_UNKNOWN.format(target=profile.name))
    length = max(1, *(int(np.flatnonzero(row).max(initial=0)) + 1 for row in rows))
    return np.stack([np.pad(row, (0, max(length - len(row), 0)))[:length] for row in rows])


def _spread(factor: Array, rows: Array) -> Array:
    """Return A row for each row."""
    return np.asarray(rows * factor[0] if len(factor) == 1 else rows @ factor.T)


def _factorial(n: int) -> float:
    return float(np.prod(np.arange(1, n + 1)))
