"""Risk against wall time
======================

Seconds that one core has spent on a trajectory; computing diagnostics is not included.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.risk_by_wall_time(tree)
figure.savefig("results/gallery/risk_by_wall_time.pdf")
