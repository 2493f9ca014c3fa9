"""One hidden layer on a line: the gradient over a small batch, every neuron at every point.

This costs O(n H), but in loops without branches or sorting: for small batches less than the running sums
of `line_batch`. See `line` for the notation.
"""

from gfcompare.kernels.compiled import cold_leaf, cold_leaf_sum, leaf, leaf_sum


@leaf
def prefers_dense(hidden, count):
    """Return whether a batch of `count` points is summed faster here than in `line_batch` (measured)."""
    return hidden * count <= 60 * hidden + 30 * count


@leaf
def _add_four(points, slope, value, v, first, network):
    """Add four neurons, from `first` on, at all points: so many for each time a point is loaded."""
    s0, s1, s2, s3 = slope[first], slope[first + 1], slope[first + 2], slope[first + 3]
    a0, a1, a2, a3 = value[first], value[first + 1], value[first + 2], value[first + 3]
    v0, v1, v2, v3 = v[first], v[first + 1], v[first + 2], v[first + 3]
    for j in range(points.shape[0]):
        y = points[j]
        z0, z1, z2, z3 = s0 * y + a0, s1 * y + a1, s2 * y + a2, s3 * y + a3
        z0 = z0 if z0 > 0.0 else 0.0
        z1 = z1 if z1 > 0.0 else 0.0
        z2 = z2 if z2 > 0.0 else 0.0
        z3 = z3 if z3 > 0.0 else 0.0
        network[j] += (v0 * z0 + v1 * z1) + (v2 * z2 + v3 * z3)


@leaf
def _add_one(points, slope, value, v, network):
    for j in range(points.shape[0]):
        z = slope * points[j] + value
        network[j] += v * (z if z > 0.0 else 0.0)


@leaf
def _sum_four(points, residuals, first, slope, value, active0, active1):
    """Add r and y r at four points, from `first` on, for the neurons that are active there."""
    y0, y1, y2, y3 = points[first], points[first + 1], points[first + 2], points[first + 3]
    r0, r1, r2, r3 = residuals[first], residuals[first + 1], residuals[first + 2], residuals[first + 3]
    for i in range(slope.shape[0]):
        s, a = slope[i], value[i]
        m0 = r0 if s * y0 + a > 0.0 else 0.0
        m1 = r1 if s * y1 + a > 0.0 else 0.0
        m2 = r2 if s * y2 + a > 0.0 else 0.0
        m3 = r3 if s * y3 + a > 0.0 else 0.0
        active0[i] += (m0 + m1) + (m2 + m3)
        active1[i] += (m0 * y0 + m1 * y1) + (m2 * y2 + m3 * y3)


@leaf
def _sum_one(y, r, slope, value, active0, active1):
    for i in range(slope.shape[0]):
        m = r if slope[i] * y + value[i] > 0.0 else 0.0
        active0[i] += m
        active1[i] += m * y


@leaf_sum
def _total(values):
    total = 0.0
    for j in range(values.shape[0]):
        total += values[j]
    return total


@cold_leaf
def _residuals(points, slope, value, v, bias, residuals):
    """Turn f at the points into the residuals, divided by their number."""
    count, hidden = points.shape[0], slope.shape[0]
    share = 1.0 / count
    for j in range(count):
        residuals[j] = bias - residuals[j]
    whole = hidden - hidden % 4
    for first in range(0, whole, 4):
        _add_four(points, slope, value, v, first, residuals)
    for i in range(whole, hidden):
        _add_one(points, slope[i], value[i], v[i], residuals)
    for j in range(count):
        residuals[j] *= share


@cold_leaf
def _active_sums(points, residuals, slope, value, active0, active1):
    """Write the sums of r and y r over the points where each neuron is active."""
    count = points.shape[0]
    for i in range(slope.shape[0]):
        active0[i] = 0.0
        active1[i] = 0.0
    whole = count - count % 4
    for first in range(0, whole, 4):
        _sum_four(points, residuals, first, slope, value, active0, active1)
    for j in range(whole, count):
        _sum_one(points[j], residuals[j], slope, value, active0, active1)


@cold_leaf_sum
def dense_gradient_into(data, theta, gradient, work, batch):
    """Write the mean of the generalised gradient over the points of `batch`, in any order.

    With the targets there, which are overwritten.
    """
    hidden, outputs = work.slope.shape[0], batch.targets.shape[0]
    middle, low, half = data.integrals.middle, data.integrals.middle_low, data.integrals.half
    w, b = theta[:hidden], theta[hidden : 2 * hidden]
    g_w, g_b = gradient[:hidden], gradient[hidden : 2 * hidden]
    slope, value, active0, active1 = work.slope, work.value, work.below0, work.below1
    for i in range(hidden):
        slope[i] = w[i] * half
        value[i] = (b[i] + w[i] * middle) + w[i] * low
        g_w[i] = 0.0
        g_b[i] = 0.0
    for k in range(outputs):
        residuals = batch.targets[k]
        v = theta[(2 + k) * hidden : (3 + k) * hidden]
        g_v = gradient[(2 + k) * hidden : (3 + k) * hidden]
        _residuals(batch.points, slope, value, v, theta[(2 + outputs) * hidden + k], residuals)
        _active_sums(batch.points, residuals, slope, value, active0, active1)
        for i in range(hidden):
            g_w[i] += (2.0 * v[i]) * (middle * active0[i] + half * active1[i])
            g_b[i] += (2.0 * v[i]) * active0[i]
            g_v[i] = 2.0 * (slope[i] * active1[i] + value[i] * active0[i])
        gradient[(2 + outputs) * hidden + k] = 2.0 * _total(residuals)
