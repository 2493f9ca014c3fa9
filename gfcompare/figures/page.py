"""The page: a matplotlib figure in the style of gfcompare, with room for the legend above all panels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine, PlaceHolderLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from gfcompare.figures import theme
from gfcompare.figures.legends import ROW_HEIGHT, Legend

# Height of all rows together in inches.
_HEIGHT = 8.5
#: The least share of its usual height that a row keeps.
LEAST_SHARE = 0.7


class Page(Figure):
    """A matplotlib figure that keeps the style of gfcompare wherever it is drawn or saved.

    It belongs to no pyplot state, and to no window before `show`. `savefig` works as for any other figure.
    """

    def get_tightbbox(
        self, renderer: Any = None, *, bbox_extra_artists: Iterable[Artist] | None = None
    ) -> Bbox:
        """Return the whole page: notebooks cut figures to what is in the layout, which the legend is not."""
        return Bbox.from_bounds(0.0, 0.0, *self.get_size_inches())

    def add_rows(self, entries: Legend) -> None:
        """Write the legend above everything, a row below the other, each as long as it happens to be."""
        width, height = self.get_size_inches()
        for rows in entries.rows(width):
            row = self.legend(
                entries.handles[rows],
                entries.labels[rows],
                loc="upper center",
                ncols=rows.stop - rows.start,
                frameon=False,
                handlelength=2.4,
                columnspacing=1.2,
                handletextpad=0.5,
                borderpad=0.1,
                borderaxespad=0.0,
            )
            row.set_in_layout(False)
        self.set_height(height)

    def set_height(self, height: float) -> None:
        """Change the height in inches; what is outside the legend gets all the room."""
        self.set_figheight(height)
        for k, row in enumerate(self.legends):
            row.set_bbox_to_anchor((0.5, 1.0 - (ROW_HEIGHT * k + 0.02) / height), transform=self.transFigure)
        below = 1.0 - (ROW_HEIGHT * len(self.legends) + 0.04) / height if self.legends else 1.0
        engine: Any = self.get_layout_engine()
        engine.set(rect=(0.0, 0.0, 1.0, below))

    def lay_out(self) -> None:
        """Make the ticks and the layout, without drawing anything."""
        engine: Any = self.get_layout_engine()
        with theme.context():
            engine.execute(self)

    def get_layout_engine(self) -> LayoutEngine | None:
        """Return what lays the page out, None once that is done: then it is drawn once to be saved."""
        engine = super().get_layout_engine()
        return None if isinstance(engine, PlaceHolderLayoutEngine) else engine

    def draw(self, renderer: Any) -> None:
        """Draw in the style of gfcompare."""
        with theme.context():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save in the style of gfcompare, with fonts that journals accept."""
        with theme.context():
            super().savefig(fname, **options)

    def show(self, warn: bool = True) -> None:
        """Show the figure in a window; in a script the call returns when all windows are closed.

        Parameters
        ----------
        warn : whether to warn where matplotlib has no windows
        """
        from matplotlib import pyplot as plt
        from matplotlib.backends.registry import BackendFilter, backend_registry

        backend = plt.get_backend()
        registry: Any = backend_registry
        if backend.lower() in registry.list_builtin(BackendFilter.NON_INTERACTIVE):
            if warn:
                warnings.warn(
                    f"nothing is shown: matplotlib has no windows here (its backend is {backend!r}). Save "
                    'the figure: figure.savefig("figure.pdf").',
                    stacklevel=2,
                )
            return
        if self.canvas.manager is None:  # it gets the window of an empty figure
            size: Any = self.get_size_inches()
            manager: Any = plt.figure(figsize=size, dpi=self.dpi).canvas.manager
            manager.canvas.figure = self
            self.set_canvas(manager.canvas)
        plt.show()

    def _repr_png_(self) -> bytes:
        """Show the figure in a notebook."""
        from io import BytesIO

        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=150)
        return buffer.getvalue()


def squeezed(height: float) -> float:
    """Return by how much rows become lower: a page of a paper has about nine inches."""
    return max(min(1.0, _HEIGHT / height), LEAST_SHARE)


def page(
    rows: int, columns: int, legend: Legend, *, row_height: float, **options: Any
) -> tuple[Page, NDArray[Any]]:
    """Return a page with its panels, an array of axes (rows, columns), and the legend above them."""
    width = theme.COLUMN_WIDTH if columns == 1 else theme.TEXT_WIDTH
    height = rows * row_height
    figure = sheet(width, height * squeezed(height) + 0.3, legend)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def sheet(width: float, height: float, legend: Legend) -> Page:
    """Return a page of some width and height in inches, the latter without the legend."""
    figure = Page(figsize=(width, height + legend.height(width)), layout="constrained")
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.04, h_pad=0.03, wspace=0.03, hspace=0.02)
    figure.add_rows(legend)
    return figure


def space_lines(figure: Figure) -> None:
    """Set text of several lines like that of a paper: the font's own line gap is half a line."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and "\n" in text.get_text():
            text.set_linespacing(1.15)


def finish(figure: Page) -> Page:
    """Make the ticks and the layout while the style is in force, and return the figure.

    The layout is then left alone: it takes as long as all the rest of a drawing, and is the same in every
    format. After a change, ``figure.set_layout_engine("constrained")`` has it done again, and
    ``figure.set_height(...)`` keeps it below the legend.
    """
    space_lines(figure)
    figure.lay_out()
    figure.set_layout_engine("none")
    return figure
