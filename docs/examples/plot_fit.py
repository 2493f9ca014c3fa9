"""Networks against the target
===========================

One seed at four flow times: the one whose final risk is the median.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.fit(tree, problems=["cubic"], methods=["standard-gf", "sgd"], times=[0, 1, 10, 100])
figure.savefig("results/gallery/fit.pdf")
