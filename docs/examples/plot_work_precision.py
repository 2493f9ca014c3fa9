"""Work-precision diagram
======================

What an accuracy costs: the error of each method at several settings, against what it evaluated.
"""

import gfcompare as gfc
from gfcompare.figures import work_precision as diagrams

flows = [gfc.integrator("standard-gf", method=method) for method in ("ndf", "dopri5")]
study = gfc.Study(
    "precision",
    targets={"sine": gfc.targets.Sine()},
    integrators={"flow": flows},
    times=gfc.Times(values=[1.0, 5.0]),
    seeds=4,
)
figure = diagrams.draw(gfc.work_precision.run(study, "results/precision").tree, "theta")
figure.savefig("results/precision/work_precision.pdf")
