"""The generalised gradient of one hidden layer on a box, whatever the dimension.

It is chosen by the type of the data when what calls it is compiled: nobody waits for more than one kind.
"""

from typing import Any

from numba.extending import overload

from gfcompare.kernels.compiled import CHOSEN, CHOSEN_ALLOCATOR
from gfcompare.kernels.cube import CubeData, cube_gradient_into, cube_work
from gfcompare.kernels.cube_slices import SlicesData, slices_gradient_into, slices_work
from gfcompare.kernels.plane import PlaneData, plane_gradient_into, plane_work

_KINDS = {
    PlaneData: (plane_work, plane_gradient_into),
    CubeData: (cube_work, cube_gradient_into),
    SlicesData: (slices_work, slices_gradient_into),
}

#: The data of boxes.
BOXES = tuple(_KINDS)


def box_work(data, hidden):
    """Return the scratch memory for H hidden neurons."""
    raise NotImplementedError("for compiled code")


def box_gradient_into(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, (P,), into `gradient`."""
    raise NotImplementedError("for compiled code")


_INTERNAL: Any = {**CHOSEN, "forceinline": True}


@overload(box_work, jit_options=CHOSEN_ALLOCATOR)
def _choose_work(data, hidden):
    work = _KINDS[data.instance_class][0]
    return lambda data, hidden: work(data, hidden)


@overload(box_gradient_into, jit_options=_INTERNAL)
def _choose_gradient(data, theta, gradient, work):
    into = _KINDS[data.instance_class][1]

    def chosen(data, theta, gradient, work):
        into(data, theta, gradient, work)

    return chosen
