"""Paired differences
==================

Final risk of each method by that of the standard flow, seed by seed, with the interval of the median.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.paired_differences(tree)
figure.savefig("results/gallery/paired_differences.pdf")
