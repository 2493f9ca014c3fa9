"""Breakpoints against flow time
=============================

Where the hidden neurons switch, for one seed; outside the grey lines a neuron is linear or dead.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.breakpoints(tree, methods=["standard-gf", "normalized-gf"])
figure.savefig("results/gallery/breakpoints.pdf")
