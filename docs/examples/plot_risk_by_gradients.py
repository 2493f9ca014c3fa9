"""Risk against gradient evaluations
=================================

What a risk costs. Methods that only see samples are counted in gradients at one sample point.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.risk_by_gradients(tree)
figure.savefig("results/gallery/risk_by_gradients.pdf")
