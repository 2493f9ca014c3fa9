"""Where trajectories go
=====================

Certificates say to which critical point each end state is proved to lead; ``gfcompare certify`` adds them.
"""

import gfcompare as gfc

study = gfc.Study(
    "limits",
    targets={"cubic": gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0])},
    integrators={name: gfc.integrator(name, rtol=1e-8) for name in ("standard-gf", "normalized-gf")},
    network=gfc.ReLUNetwork((1, 4, 1)),
    times=gfc.Times(values=[1e2, 1e8]),
    seeds=32,
)
figure = gfc.figures.limits(gfc.certificates.certified(study.run("results/limits")))
figure.savefig("results/limits/limits.pdf")
