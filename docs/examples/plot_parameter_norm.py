"""Parameter norm against flow time
================================

Whether trajectories stay bounded, standard flow against normalised flow.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.parameter_norm(tree, methods=["standard-gf", "normalized-gf"])
figure.savefig("results/gallery/parameter_norm.pdf")
