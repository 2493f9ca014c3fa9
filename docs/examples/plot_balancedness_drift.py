"""Drift of the balancedness
=========================

The standard flow conserves the balancedness of every neuron, up to its tolerance; descent does not.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.balancedness_drift(tree)
figure.savefig("results/gallery/balancedness_drift.pdf")
