"""Spectrum of the Hessian
=======================

Eigenvalues of the Hessian against flow time, for one seed.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.spectrum(tree, problems=["cubic"], methods=["standard-gf", "gd"])
figure.savefig("results/gallery/spectrum.pdf")
