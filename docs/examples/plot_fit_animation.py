"""Animation of the fit
====================

Networks and target as flow time goes on.
"""

import gfcompare as gfc

tree = gfc.Study.from_toml("gallery.toml").run("results/gallery")
figure = gfc.figures.fit_animation(tree, problem="cubic", methods=["standard-gf", "sgd"])
figure.save("results/gallery/fit.gif", writer="pillow")
