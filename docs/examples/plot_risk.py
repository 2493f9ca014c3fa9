"""Risk against flow time
======================

Median and quartiles over 16 initial networks, for every method on every target.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.risk(tree)
figure.savefig("results/gallery/risk.pdf")
