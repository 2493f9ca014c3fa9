"""Snapshots
=========

One network as a strip: function, target, breakpoints and risk at some flow times.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.snapshots(tree, problems=["cubic"])
figure.savefig("results/gallery/snapshots.pdf")
