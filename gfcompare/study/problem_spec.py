"""The specification of one problem of a study."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of
from gfcompare.components.identity import identity
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.hooks.provenance import code_identity, provenance
from gfcompare.initializations import Initialization
from gfcompare.integrators.random_streams import random_stream
from gfcompare.measures import LineMeasure, Measure
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.problem import Problem
from gfcompare.targets import Target


@dataclass(frozen=True)
class ProblemSpec:
    """One problem of a study: what is learnt, by what network, from where."""

    name: str
    target: Target
    network: ReLUNetwork
    measure: Measure
    initialization: Initialization
    quadrature: Quadrature | None = None
    frozen: tuple[str, ...] = ()

    @cached_property
    def problem(self) -> Problem:
        """The problem."""
        try:
            return Problem(self.network, self.target, self.measure, self.quadrature, frozen=self.frozen)
        except InputError as error:
            raise error.within(f"problem {self.name!r}") from None
        except FOREIGN_ERRORS as error:  # of a target or measure that somebody else wrote
            raise InputError(
                f"problem {self.name!r}: {self.target.name!r} or {self.measure.name!r} raised "
                f"{cause_of(error)}"
            ) from error

    @property
    def pieces(self) -> PiecewisePolynomial | None:
        """The target as a piecewise polynomial, None for several inputs and on points."""
        return self.problem.target_pieces if isinstance(self.measure, LineMeasure) else None

    def initial(self, study_seed: int, seed: int) -> NDArray[np.float64]:
        """Return the initial parameters, shape (P,), of a seed.

        They depend on the study seed, the seed, the network and the initialisation alone: targets and
        methods start from the same networks.
        """
        drawn = self.initialization.draw(self.network, random_stream(study_seed, seed, "initial"))
        theta = self.network.check(drawn)
        right = theta.ndim == 1 and bool(np.isfinite(theta).all())
        require(
            right, f"the initialisation {self.initialization.name!r} must draw finite numbers of shape (P,)."
        )
        return theta

    def identity(self) -> dict[str, Any]:
        """Return everything about the problem that determines numbers."""
        return {
            "widths": list(self.network.widths),
            "target and measure": self.problem.digest,
            # Their values are in the digest; what else they do, such as drawing points, is in their code.
            "code": [code_identity(type(part)) for part in (self.target, self.measure)],
            "evaluator": [self.problem.evaluation.name, code_identity(self.problem.evaluated_by)],
            "initialization": identity(self.initialization.options()) | provenance(self.initialization),
        }
