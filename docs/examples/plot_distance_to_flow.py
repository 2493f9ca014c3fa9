"""Distance to the flow
====================

How far each method is from the standard flow, from the same initial network; on M from its normalised form.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.distance_to_flow(tree)
figure.savefig("results/gallery/distance_to_flow.pdf")
