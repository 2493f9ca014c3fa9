"""Allowed error of a step in each parameter, relative to the size of the neuron it belongs to.

A neuron of size 1e-10 beside an output bias of size 1 has to be followed as well as the bias: while it is
small it grows at a rate that does not depend on its size, and an error control with one absolute tolerance
for all would lose it. So the absolute part of the tolerance is a share of the size of what the parameter
belongs to:

- standard flow: a hidden neuron with its row, bias and outgoing column. A weight between two hidden layers
  belongs to two neurons, the smaller of which counts. So a breakpoint has the same tolerance whatever the
  size of its neuron, as on M: with a bound of 1 on the size, a bias near 0 of a neuron of size 40 was held
  to a share of 1e-10 of the neuron, and flows into channels to infinity took 20,000 steps in place of 3000;
- on M: a hidden row by itself, which has norm 1; an outgoing column by itself, but at most that share;
- output biases, and columns on M, are at least of the size of what the network has to represent.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry

# No parameter's tolerance is based on a smaller size: squares of what is relative to it stay finite.
SMALLEST = 1e-290


@cold_leaf
def sizes_into(widths, y, output_size, normalize, sizes):
    """Write the size that the absolute tolerance of each parameter is relative to into `sizes`, (P,).

    `output_size` is the size of what the network has to represent; a negative one makes all sizes 1.
    """
    parameters = y.shape[0]
    if output_size < 0.0:
        for p in range(parameters):
            sizes[p] = 1.0
        return
    for p in range(parameters):
        sizes[p] = 1.0 if normalize else np.inf
    offset = 0
    for layer in range(widths.shape[0] - 2):
        fan_in, rows, following = widths[layer], widths[layer + 1], widths[layer + 2]
        after = offset + rows * (fan_in + 1)
        last = layer == widths.shape[0] - 3
        for i in range(rows):
            bias = offset + rows * fan_in + i
            row = y[bias] * y[bias]
            for j in range(fan_in):
                row += y[offset + i * fan_in + j] ** 2
            column = 0.0
            for k in range(following):
                column += y[after + k * rows + i] ** 2
            size = np.sqrt(row if normalize else row + column)
            if not size > 1e-140:  # its square has no digits left
                size = abs(y[bias])
                for j in range(fan_in):
                    size = max(size, abs(y[offset + i * fan_in + j]))
                if not normalize:
                    for k in range(following):
                        size = max(size, abs(y[after + k * rows + i]))
            size = max(size, SMALLEST)
            for j in range(fan_in):
                p = offset + i * fan_in + j
                sizes[p] = min(sizes[p], size)
            sizes[bias] = min(sizes[bias], size)
            if normalize:
                size = max(np.sqrt(column), output_size, SMALLEST) if last else size
            if not normalize or last:
                for k in range(following):
                    p = after + k * rows + i
                    sizes[p] = min(sizes[p], size)
        offset = after
    outputs = widths[widths.shape[0] - 1]
    for p in range(parameters - outputs, parameters):
        sizes[p] = min(1.0, max(abs(y[p]), output_size, SMALLEST))


@cold_leaf
def set_weights(flow, y, output_size, weights):
    """Write 1 / tolerance of each parameter into `weights`, (P,)."""
    settings = flow.settings
    sizes_into(flow.widths, y, output_size, settings.normalize, weights)
    for p in range(y.shape[0]):
        weights[p] = 1.0 / (settings.atol * weights[p] + settings.rtol * abs(y[p]))


@entry
def sizes(widths, ys, output_sizes, normalize, results):
    """Write the sizes that absolute tolerances are relative to, (M, P), at each y, (M, P)."""
    for m in range(ys.shape[0]):
        sizes_into(widths, ys[m], output_sizes[m], normalize, results[m])
