"""Time to a target risk
=====================

Share of the seeds that have reached a risk, against gradient evaluations, with 95 % intervals.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.time_to_target(tree, targets={"kink": [0.01, 0.001]}, problems=["kink"])
figure.savefig("results/gallery/time_to_target.pdf")
