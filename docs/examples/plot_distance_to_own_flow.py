"""Distance to the flow that a method approximates
=================================================

How far each method is from the standard flow, or on M from the normalised one, from the same initial network.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.distance_to_own_flow(tree)
figure.savefig("results/gallery/distance_to_own_flow.pdf")
