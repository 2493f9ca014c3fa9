"""Paths in the plane of the first two principal components of all states of one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.lazy import np
from gfcompare.figures.one_trajectory import OnRisk
from gfcompare.figures.options import Shown, lists_options
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.page_layout import PageLayout
    from gfcompare.figures.portraits import Portrait


@dataclass(frozen=True, kw_only=True)
class PrincipalPaths(OnRisk):
    """Paths in the plane of the first two principal components of all states of one seed.

    The risk is drawn in that plane, which goes through the mean of the states; the paths are projected.
    """

    name: ClassVar[str] = "principal_paths"
    title: ClassVar[str] = "Paths in the plane of two principal components"

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        from gfcompare.figures import portraits

        return portraits.layout(self.choice(self.view(tree), shows=portraits.moves), portrait)


@lists_options
def principal_paths(
    tree: xr.DataTree, *, seed: int | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw paths in the plane of the first two principal components of all states of one seed.

    The contours are those of the risk in that plane, which goes through the mean of the states. The axes have
    the share of the variance.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem can be rebuilt from the result: a target or a measure is a Python function
    """
    return draw(PrincipalPaths, tree, {"seed": seed, **options})


def portrait(group: xr.Dataset, seed: int) -> Portrait:
    """Return the paths in the plane of the first two principal components of all states of a seed.

    States of trajectories that ended early take part only if there are no others.
    """
    from gfcompare.figures import portraits
    from gfcompare.results.rebuild import problem_of

    paths = portraits.states(group, seed)
    rows = np.concatenate(list(portraits.tame(group, seed, paths).values()))
    mean = rows.mean(axis=0)
    _, singular, components = np.linalg.svd(rows - mean, full_matrices=False)
    directions = np.zeros((2, rows.shape[1]))
    directions[: len(components[:2])] = components[:2]
    # The signs of singular vectors are arbitrary: the largest entry of each is made positive.
    directions *= np.sign(np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1))
    share = np.zeros(2)
    share[: len(singular[:2])] = (singular**2 / max(float((singular**2).sum()), 1e-300))[:2]
    texts = [f"{100 * s:.1f} %" if s < 0.9995 else "over 99.9 %" for s in share]
    labels = (f"1st principal component ({texts[0]})", f"2nd component ({texts[1]})")
    held = "the mean of all states; in brackets the share of the variance"
    return portraits.portrait(problem_of(group), group, seed, mean, directions, labels, held)
