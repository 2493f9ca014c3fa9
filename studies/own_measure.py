"""A plugin with one's own measure, and with what integrates under it exactly.

    gfcompare list measures --plugin studies/own_measure.py

The inputs are uniform on a segment in R^d: data that lie on a line. Along it a network with one hidden layer
is one with a single input, for which gfcompare is exact; the chain rule carries the gradient back to R^d.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import gfcompare as gfc


@dataclass(frozen=True)
class Segment(gfc.Measure):
    """The uniform distribution on the segment from one point of R^d to another.

    Parameters
    ----------
    begin, end : its ends, d numbers each
    """

    name: ClassVar[str] = "segment"
    begin: Sequence[float] = (0.0, 0.0)
    end: Sequence[float] = (1.0, 1.0)

    @property
    def dimension(self):
        return len(self.begin)

    @property
    def box(self):
        return np.sort(np.stack([self.begin, self.end], axis=1).astype(float))

    def transport(self, uniforms):
        begin, end = np.array(self.begin, dtype=float), np.array(self.end, dtype=float)
        return begin + uniforms[..., :1] * (end - begin)


class OnSegment(gfc.Evaluator):
    """One hidden layer under a measure on a segment: that of a network with a single input, exact."""

    name = "segment"
    measures = (Segment,)

    @classmethod
    def applies(cls, parts):
        if parts.network.depth != 2:
            return gfc.Applicability.no(f"the network has {parts.network.depth - 1} hidden layers, not one")
        return gfc.Applicability.yes("inputs on a line", "exact to rounding", lambda: cls(parts))

    def __init__(self, parts):
        measure, target = parts.measure, parts.target
        super().__init__(parts.network, parts.draw)
        self.begin, self.end = np.array(measure.begin, dtype=float), np.array(measure.end, dtype=float)
        d, hidden, outputs = parts.network.widths
        self.first = d * hidden  # the parameters before this one are the weights of layer 1
        along = gfc.targets.Function(lambda s: target.at(self.points(s)), label=target.name)
        self.line = gfc.Problem(gfc.ReLUNetwork((1, hidden, outputs)), along, gfc.measures.Uniform(0.0, 1.0))

    def points(self, s):
        return self.begin + np.asarray(s)[..., None] * (self.end - self.begin)

    def restricted(self, thetas):
        """Return the parameters of the network along the segment: weights W (e - b), biases a + W b."""
        weights = thetas[:, : self.first].reshape(len(thetas), -1, len(self.begin))
        biases = thetas[:, self.first : self.first + weights.shape[1]] + weights @ self.begin
        rest = thetas[:, self.first + weights.shape[1] :]
        return np.concatenate([weights @ (self.end - self.begin), biases, rest], axis=1)

    def risks(self, thetas):
        return self.line.risk(self.restricted(thetas))

    def gradients(self, thetas):
        found = self.line.gradient(self.restricted(thetas))
        hidden = self.network.hidden[0]
        slope, bias = found[:, :hidden, None], found[:, hidden : 2 * hidden, None]
        weights = slope * (self.end - self.begin) + bias * self.begin
        return np.concatenate([weights.reshape(len(thetas), -1), found[:, hidden:]], axis=1)

    def data(self):
        pieces = self.line.target_pieces
        return self.begin, self.end, pieces.knots, pieces.high, pieces.low

    @property
    def cost(self):
        return 30.0 * self.network.hidden[0]


@gfc.hookimpl
def gfcompare_measures():
    return [Segment]


@gfc.hookimpl
def gfcompare_evaluators():
    return [OnSegment]
