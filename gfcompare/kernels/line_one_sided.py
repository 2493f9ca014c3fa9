"""One hidden layer on a line: residual integrals whose parts all contribute.

`line` takes the integrals over the part of the interval where a neuron is active from antiderivatives and
from a running line of the network: fast, and right to rounding of the largest number in it. Where a neuron
that is hardly active, or steep, dwarfs what the others contribute, that is not enough. Here nothing is
added that is taken away again:

- a rising neuron enters the network at its zero and grows to the right, a falling one to the left: the
  network between two zeros is the sum of those that are active there;
- the integrals over [t_i, 1] of a rising neuron are summed from the right end, those over [-1, t_i] of a
  falling one from the left end, interval by interval with Gauss-Legendre quadrature;
- a zero is known by its distance from the nearer end, which is the pre-activation at that end, computed
  with one rounding, over its slope. Sorting by the inverse distance keeps all its digits.

So the error of each entry of the gradient stays within rounding of the integral of what is active there,
whatever the size of dead or steep neurons. It takes about ten times the time.

For a neuron i that is active on I_i, with its zero (or the end where it is smallest, if it is active
everywhere) at t_i, `inner0` is the integral of r p over I_i and `inner1` that of |y - t_i| r p.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, leaf, leaf_exact
from gfcompare.kernels.doubles import two_product, two_sum
from gfcompare.kernels.sorting import sort_pairs

# How much larger than the network at an end the terms of the running line may be.
_ALLOWED = 6.0

# Rows of `LineWork.spans`, one column for each interval between neighbouring zeros.
_LENGTH, _MIDDLE, _VALUE, _SLOPE, _SUM0, _SUM1 = range(6)


@leaf_exact
def value_at(w, x, b):
    """Return w x + b, rounded once unless it overflows."""
    p, e = two_product(w, x)
    s, rest = two_sum(p, b)
    exact = s + (e + rest)
    return exact if abs(exact) < 1e300 else p + b


@leaf
def integrate_span(data, k, piece, middle, length, value, slope):
    """Integrate r_k p and (y - middle) r_k p over the span of a length around a point.

    There the network is value + slope (y - middle). `piece` is one that is not right of the span.
    """
    left, right = middle - 0.5 * length, middle + 0.5 * length
    last = data.centres.shape[0] - 1
    while piece < last and data.knots[piece + 1] <= left:
        piece += 1
    whole = piece == last or right <= data.knots[piece + 1]
    sum0 = 0.0
    sum1 = 0.0
    while True:
        stop = right if piece == last or right <= data.knots[piece + 1] else data.knots[piece + 1]
        half = 0.5 * length if whole else 0.5 * (stop - left)
        shift = 0.0 if whole else 0.5 * (left + stop) - middle
        scale = data.scales[piece]
        for q in range(data.rule.shape[1]):
            distance = shift + half * data.rule[0, q]
            s = (middle - data.centres[piece] + distance) * scale
            density = 0.0
            top = data.mass.shape[2] - 1
            for d in range(top):
                density = density * s + (top - d) * data.mass[piece, 0, d]
            product = 0.0
            top = data.target.shape[2] - 1
            for d in range(top):
                product = product * s + (top - d) * data.target[piece, 2 * k, d]
            share = data.rule[1, q] * half * scale
            part = share * ((value + slope * distance) * density - product)
            sum0 += part
            sum1 += distance * part
        if whole or piece == last or stop >= right:
            return sum0, sum1
        left = stop
        piece += 1


@cold_leaf
def place(data, theta, work):
    """Sort the zeros by the inverse of their distance from the nearer end, and measure the spans.

    Return the positions of the first zero inside and of the first one after those. Neurons that are active
    everywhere come before, dead ones after them.

    Fills in slope (its size, with the sign of the direction in which the neuron grows), value (where the
    neuron is smallest while active: 0 unless it is active everywhere), and breaks (the same key by neuron).
    """
    hidden = work.order.shape[0]
    for i in range(hidden):
        w, b = theta[i], theta[hidden + i]
        left, right = value_at(w, data.lower, b), value_at(w, data.upper, b)
        rise = w * data.half
        work.slope[i] = rise
        work.value[i] = 0.0
        size = abs(rise)
        if left <= 0.0 and right <= 0.0:
            work.breaks[i] = 1.0 / 0.0
        elif left >= 0.0 and right >= 0.0:
            work.breaks[i] = -1.0 / 0.0
            work.value[i] = min(left, right)
        elif abs(right) <= size:
            work.breaks[i] = min(size / abs(right), 1e300)
        else:
            work.breaks[i] = max(-size / abs(left), -1e300)
    order, keys = work.order, work.keys
    for j in range(hidden):
        keys[j] = work.breaks[order[j]]
    sort_pairs(keys, order, work.spare_keys, work.spare_order)
    first = 0
    while first < hidden and keys[first] < -1e301:
        first += 1
    last = hidden
    while last > first and keys[last - 1] > 1e301:
        last -= 1
    for g in range(last - first + 1):
        before = keys[first + g - 1] if g > 0 else -1.0 / 0.0
        after = keys[first + g] if g < last - first else 1.0 / 0.0
        length, middle = _span(before, after)
        work.spans[_LENGTH, g] = length
        work.spans[_MIDDLE, g] = middle
    return first, last


@leaf
def _span(before, after):
    """Length and middle, in y, of the span between two zeros; keys are inverse distances from an end."""
    near, far = abs(1.0 / before), abs(1.0 / after)
    if after < 0.0:
        return far - near, -1.0 + 0.5 * (near + far)
    if before > 0.0:
        return near - far, 1.0 - 0.5 * (near + far)
    return (2.0 - near) - far, 0.5 * (near - far)


@cold_leaf
def network_on_spans(v, bias, work, first, last):
    """Write value at the middle and slope of the network on each span, summed over what is active there."""
    order, slope, value, spans = work.order, work.slope, work.value, work.spans
    count = last - first
    level = bias
    steepness = 0.0
    from_right = 0.0
    steepness_right = 0.0
    for j in range(first):  # active everywhere
        i = order[j]
        if slope[i] >= 0.0:
            level += v[i] * value[i]
            steepness += v[i] * slope[i]
        else:
            from_right += v[i] * value[i]
            steepness_right += v[i] * slope[i]
    for g in range(count + 1):
        length = spans[_LENGTH, g]
        spans[_VALUE, g] = level + 0.5 * length * steepness
        spans[_SLOPE, g] = steepness
        level += length * steepness
        if g < count:
            i = order[first + g]
            steepness += v[i] * slope[i] if slope[i] > 0.0 else 0.0
    for g in range(count, -1, -1):
        length = spans[_LENGTH, g]
        spans[_VALUE, g] += from_right - 0.5 * length * steepness_right
        spans[_SLOPE, g] += steepness_right
        from_right -= length * steepness_right
        if g > 0:
            i = order[first + g - 1]
            steepness_right += v[i] * slope[i] if slope[i] < 0.0 else 0.0


@leaf
def span(work, g):
    """Length and middle of a span, and value there and slope of the network on it."""
    spans = work.spans
    return spans[_LENGTH, g], spans[_MIDDLE, g], spans[_VALUE, g], spans[_SLOPE, g]


@cold_leaf
def inner_integrals(data, k, work, first, last):
    """Write inner0 and inner1 of each neuron from the network on the spans; return the integral of r p."""
    order, slope, spans = work.order, work.slope, work.spans
    inner0, inner1 = work.below0, work.below1
    count = last - first
    piece = 0
    for g in range(count + 1):
        middle, length = spans[_MIDDLE, g], spans[_LENGTH, g]
        last_piece = data.centres.shape[0] - 1
        while piece < last_piece and data.knots[piece + 1] <= middle - 0.5 * length:
            piece += 1
        sum0, sum1 = integrate_span(data, k, piece, middle, length, spans[_VALUE, g], spans[_SLOPE, g])
        spans[_SUM0, g] = sum0
        spans[_SUM1, g] = sum1
    for j in range(last, order.shape[0]):
        inner0[order[j]] = 0.0
        inner1[order[j]] = 0.0
    total0 = 0.0
    for end in range(2):  # sums from the right end for rising neurons, then from the left for falling ones
        rising = end == 0
        sum0 = 0.0
        sum1 = 0.0
        for step in range(count + 1):
            g = count - step if rising else step
            half, part = 0.5 * spans[_LENGTH, g], spans[_SUM0, g]
            moment = spans[_SUM1, g] if rising else -spans[_SUM1, g]
            sum1 += 2.0 * half * sum0 + (half * part + moment)
            sum0 += part
            if step < count:
                i = order[first + g - 1] if rising else order[first + g]
                if (slope[i] > 0.0) == rising:
                    inner0[i] = sum0
                    inner1[i] = sum1
        for j in range(first):
            i = order[j]
            if (slope[i] >= 0.0) == rising:
                inner0[i] = sum0
                inner1[i] = sum1
        total0 = sum0
    return total0


@leaf
def position(data, key, falling):
    """Return x of the zero with a key; of the end where a neuron active everywhere is smallest."""
    if key < -1e301:
        return data.upper if falling else data.lower
    if key > 0.0:
        return data.upper - data.half / key
    return data.lower - data.half / key


@cold_leaf
def add_inner(data, weights, work, g_w, g_b, g_v):
    """Add the gradient of one output to g_w and g_b, and write its g_v."""
    for i in range(g_w.shape[0]):
        inner0, inner1, slope = work.below0[i], work.below1[i], work.slope[i]
        falling = slope < 0.0
        x = position(data, work.breaks[i], falling)
        along = -data.half * inner1 if falling else data.half * inner1
        g_w[i] += (2.0 * weights[i]) * (x * inner0 + along)
        g_b[i] += (2.0 * weights[i]) * inner0
        g_v[i] = 2.0 * (work.value[i] * inner0 + abs(slope) * inner1)


@cold_leaf
def one_sided_gradient(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    hidden = work.order.shape[0]
    outputs = data.target_total.shape[0]
    g_w, g_b = gradient[:hidden], gradient[hidden : 2 * hidden]
    for i in range(2 * hidden):
        gradient[i] = 0.0
    first, last = place(data, theta, work)
    for k in range(outputs):
        v = theta[(2 + k) * hidden : (3 + k) * hidden]
        g_v = gradient[(2 + k) * hidden : (3 + k) * hidden]
        bias = (2 + outputs) * hidden + k
        network_on_spans(v, theta[bias], work, first, last)
        total0 = inner_integrals(data, k, work, first, last)
        add_inner(data, v, work, g_w, g_b, g_v)
        gradient[bias] = 2.0 * total0


@cold_leaf
def rounds_off(bound, v, bias, work):
    """Return whether the running line of `line` may round off what neurons contribute near an end.

    The sum of the sizes of what neurons contribute is convex in y: it is nowhere larger than at the larger
    end, and a neuron that is active only near one end has only the sum there to be compared with.
    """
    floor = bound + abs(bias)
    left = floor
    right = floor
    terms = 0.0
    any_falling = False
    any_rising = False
    for i in range(v.shape[0]):
        slope, value, zero = work.slope[i], work.value[i], work.breaks[i]
        falling = slope < 0.0
        if (zero <= -1.0) if falling else (zero >= 1.0):
            continue
        weight = abs(v[i])
        terms += weight * (abs(slope) + abs(value))
        left += weight * max(value - slope, 0.0)
        right += weight * max(value + slope, 0.0)
        inside = -1.0 < zero and zero < 1.0
        if inside and falling:
            any_falling = True
        if inside and not falling:
            any_rising = True
    return (any_falling and terms > _ALLOWED * left) or (any_rising and terms > _ALLOWED * right)


@leaf
def set_aside(near, work, first, last, total0, total1):
    """Find the neurons that are active only near an end, within `near`, and give them no gradient yet.

    `first` and `last` are the positions of the first breakpoint inside and of the first one after those.
    Sets their integrals up to the zero so that `line.gradient_of` gives 0; `add_near_end` gives them theirs.
    Returns the positions of the innermost ones near the left and near the right end: -1 and `last` for none.
    """
    keys, order, slope = work.keys, work.order, work.slope
    left = -1
    right = last
    j = first
    while j < last and keys[j] < near - 1.0:
        if slope[order[j]] < 0.0:
            left = j
            work.below0[order[j]] = 0.0
            work.below1[order[j]] = 0.0
        j += 1
    j = last - 1
    while j >= first and keys[j] > 1.0 - near:
        if slope[order[j]] > 0.0:
            right = j
            work.below0[order[j]] = total0
            work.below1[order[j]] = total1
        j -= 1
    return left, right


@cold_leaf
def add_near_end(
    k, theta, v, weights, value, inward, order, slope, near, scale, x, half, end, start, final, g_w, g_b, g_v
):
    """Add the gradient of output k for the neurons that `set_aside` found near an end.

    As `line.walk`, with distances a from the end and antiderivatives that vanish there: they keep their
    digits. A call costs as much as what is handed over, so that this is not all of data and work.

    Parameters
    ----------
    value, inward : the network at the end, and its slope away from it
    near : (3 + 2 K, .), from `line.Integrals.ends`
    scale : of the piece at the end, such that its own coordinate is 1 - scale a, or minus that
    x, half, end : the end, half the length of the interval in x, and -1 for the left end or 1
    start, final : positions of the outermost and the innermost neuron to be passed
    """
    before0 = 0.0
    before1 = 0.0
    step = np.int64(end)
    for j in range(start, final - step, -step):
        i = order[j]
        rise = abs(slope[i])
        level = value_at(theta[i], x, theta[order.shape[0] + i])
        a = abs(level) / rise
        s = 1.0 - scale * a
        m0 = near[0, 0]
        m1 = near[1, 0]
        m2 = near[2, 0]
        f0 = near[3 + 2 * k, 0]
        f1 = near[4 + 2 * k, 0]
        for d in range(1, near.shape[1]):
            m0 = m0 * s + near[0, d]
            m1 = m1 * s + near[1, d]
            m2 = m2 * s + near[2, d]
            f0 = f0 * s + near[3 + 2 * k, d]
            f1 = f1 * s + near[4 + 2 * k, d]
        f0 *= a
        f1 *= a * a
        m0 *= a
        m1 *= a * a
        m2 *= a * (a * a)
        if level > 0.0:
            inner0 = (inward * m1 + value * m0) - (f0 + before0)
            inner1 = a * inner0 - ((inward * m2 + value * m1) - (f1 + before1))
            g_w[i] += (2.0 * weights[i]) * ((x - end * half * a) * inner0 + end * half * inner1)
            g_b[i] += (2.0 * weights[i]) * inner0
            g_v[i] += 2.0 * rise * inner1
        slope_jump = v[i] * rise
        value_jump = -slope_jump * a
        inward += slope_jump
        value += value_jump
        before0 += slope_jump * m1 + value_jump * m0
        before1 += slope_jump * m2 + value_jump * m1
