"""All critical points of two neurons
==================================

The landscape of narrow networks is proved to be complete; certificates say where trajectories go.
"""

import gfcompare as gfc

study = gfc.Study(
    "landscape",
    targets={"cubic": gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0])},
    integrators={name: gfc.integrator(name, rtol=1e-8) for name in ("standard-gf", "normalized-gf")},
    network=gfc.ReLUNetwork((1, 2, 1)),
    times=gfc.Times(values=[1e2, 1e8]),
    seeds=32,
)
figure = gfc.figures.landscape(gfc.certificates.certified(study.run("results/landscape")))
figure.savefig("results/landscape/landscape.pdf")
