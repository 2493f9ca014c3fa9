"""Gradient norm against flow time
===============================

Along a bounded trajectory of the flow the norm of the generalised gradient tends to 0.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.gradient_norm(tree)
figure.savefig("results/gallery/gradient_norm.pdf")
