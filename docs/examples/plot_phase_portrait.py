"""Phase portrait
==============

Paths in the plane of the two parameters that move most, over contours of the risk.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.phase_portrait(tree, problems=["cubic"])
figure.savefig("results/gallery/phase_portrait.pdf")
