"""Sorting of keys that have moved little since they were last sorted."""

from gfcompare.kernels.compiled import cold_leaf, leaf


@leaf
def sort_pairs(keys, order, spare_keys, spare_order):
    """Sort `keys` ascending and `order` with it, in place; equal keys ascend by `order`.

    Insertion sort: linear when the keys are nearly sorted. Past four moves a key it gives up and
    merges, so that the worst case is O(H log H). The tie-break makes the result independent of the
    order that was passed in: no number computed with it depends on history.

    Parameters
    ----------
    keys : (H,) float64, no NaN
    order : (H,) uint64, the index that goes with each key
    spare_keys, spare_order : like `keys` and `order`; overwritten
    """
    count = keys.shape[0]
    budget = 4 * count + 16
    for position in range(1, count):
        key, index = keys[position], order[position]
        previous = keys[position - 1]
        if previous < key or (previous == key and order[position - 1] < index):
            continue
        hole = position
        while hole > 0:
            other = keys[hole - 1]
            if other < key or (other == key and order[hole - 1] < index):
                break
            keys[hole] = other
            order[hole] = order[hole - 1]
            hole -= 1
        keys[hole] = key
        order[hole] = index
        budget -= position - hole
        if budget < 0:
            _merge_sort(keys, order, spare_keys, spare_order)
            return


@cold_leaf
def _merge_sort(keys, order, spare_keys, spare_order):
    """Sort as `sort_pairs` does, by bottom-up merging."""
    count = keys.shape[0]
    width = 1
    while width < count:
        for position in range(count):
            spare_keys[position] = keys[position]
            spare_order[position] = order[position]
        for start in range(0, count, 2 * width):
            _merge_runs(keys, order, spare_keys, spare_order, start, width)
        width *= 2


@leaf
def _merge_runs(keys, order, old_keys, old_order, start, width):
    """Merge two neighbouring sorted runs of `width` keys that begin at `start`."""
    count = keys.shape[0]
    middle = min(start + width, count)
    stop = min(start + 2 * width, count)
    left, right = start, middle
    for target in range(start, stop):
        take_left = right >= stop
        if left < middle and not take_left:
            a, b = old_keys[left], old_keys[right]
            take_left = a < b or (a == b and old_order[left] < old_order[right])
        if take_left:
            keys[target] = old_keys[left]
            order[target] = old_order[left]
            left += 1
        else:
            keys[target] = old_keys[right]
            order[target] = old_order[right]
            right += 1
