"""Distance to the submanifold
===========================

The normalised flow stays on the submanifold M of unit hidden rows, to rounding.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.distance_to_manifold(tree)
figure.savefig("results/gallery/distance_to_manifold.pdf")
