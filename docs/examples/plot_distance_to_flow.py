"""Distance to the flow
====================

How far each descent method is from the flow it approximates, from the same initial network.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.distance_to_flow(tree)
figure.savefig("results/gallery/distance_to_flow.pdf")
