"""Paths in principal coordinates
==============================

Paths in the plane of the first two principal components of all states, over contours of the risk.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.principal_paths(tree, problems=["cubic"])
figure.savefig("results/gallery/principal_paths.pdf")
