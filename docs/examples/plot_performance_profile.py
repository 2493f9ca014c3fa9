"""Performance profiles
====================

On which share of problems, targets and seeds a method is within a factor of the cheapest one.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.performance_profile(tree)
figure.savefig("results/gallery/performance_profile.pdf")
