"""Final risks
===========

Every seed is a dot; those that diverged would be counted at the side.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.final_risk(tree)
figure.savefig("results/gallery/final_risk.pdf")
