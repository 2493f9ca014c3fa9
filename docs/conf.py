"""Configuration of Sphinx for this folder: ``sphinx-build -W --keep-going -b html docs docs/_build``.

Nothing is fetched while it builds, and the pages load nothing from elsewhere. Cells of the tutorial and the
scripts in ``examples`` are executed here; snippets of the other pages in ``tests/project/test_manual.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx_gallery.sorting import FunctionSortKey

import gfcompare
from gfcompare.hooks.registry import registry

project = "gfcompare"
author = "the gfcompare developers"
release = version = gfcompare.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "jupyter_execute"]
suppress_warnings = ["config.cache"]  # the function in sphinx_gallery_conf: what it makes is not cached
templates_path = ["templates"]
# Names in docstrings stand between single backquotes.
default_role = "py:obj"
highlight_language = "none"
smartquotes = False  # Theta' is a derivative

myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"Array": "Array", "ArrayLike": "ArrayLike"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
autosummary_ignore_module_all = False
# Names that gfcompare itself has are documented as its own, and not again with their module.
autosummary_context = {"top": gfcompare.__all__}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = f"gfcompare {version}"
html_static_path = ["style"]
html_css_files = ["gfcompare.css"]
html_copy_source = html_show_sphinx = html_show_copyright = False

copybutton_exclude = ".linenos, .gp, .go"


def _figures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Put the figure of a gallery script, which belongs to no pyplot state, on its page."""
    from sphinx_gallery.scrapers import figure_rst

    figure = block_vars["example_globals"].get("figure")
    if figure is None:
        return ""
    path = next(block_vars["image_path_iterator"])
    if hasattr(figure, "savefig"):
        figure.savefig(path, dpi=150)
    else:  # an animation
        path = str(Path(path).with_suffix(".gif"))
        figure.save(path, writer="pillow", dpi=75)
    return str(figure_rst([path], gallery_conf["src_dir"]))


def _place(script: str) -> int:
    """Return the place of a script: figures are shown in the order in which `gfcompare plot` draws them."""
    names = [figure.name for figure in registry().all("figures")]
    name = script.removeprefix("plot_").removesuffix(".py")
    return names.index(name) if name in names else len(names)


sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "figures",
    "filename_pattern": "plot_",
    "image_scrapers": (_figures,),
    "capture_repr": (),
    "thumbnail_size": (480, 280),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 3600,
    "notebook_extensions": set(),
    "write_computation_times": False,
    "within_subsection_order": FunctionSortKey(_place, "the order in which figures are drawn"),
}


def _plain_text(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep |x|, (*shape, d) and w . x in docstrings from being read as markup or as the end of a sentence."""
    plain = (re.sub(r"(`[^`]+`)|([|*])", lambda m: m[1] or f"\\{m[2]}", line) for line in lines)
    lines[:] = [line.replace(" . ", " · ") for line in plain]


def _gallery(app: Any, docname: str, source: list[str]) -> None:
    """Let links to the folder of scripts, as a repository host shows it, lead to the pages made of them."""
    source[0] = source[0].replace("(examples/README.rst)", "(figures/index.rst)")


def setup(app: Any) -> None:
    """Connect what Sphinx has no option for."""
    app.connect("autodoc-process-docstring", _plain_text, priority=100)
    app.connect("source-read", _gallery)
