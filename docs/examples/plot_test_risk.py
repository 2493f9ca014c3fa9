"""Training risk and test risk
===========================

A data set, a fifth of which is held out.
"""

import gfcompare as gfc

study = gfc.Study(
    "data",
    targets={"disease progression": gfc.targets.Labels()},
    integrators={name: gfc.integrator(name, step_size=0.01) for name in ("gd", "adam")},
    network=gfc.ReLUNetwork((10, 12, 1)),
    measure=gfc.measures.DataSet("diabetes", test_fraction=0.2),
    initialization=gfc.initializations.He(scale=0.5),
    times=gfc.Times(end=10.0, count=31),
    seeds=8,
)
figure = gfc.figures.test_risk(study.run("results/data"))
figure.savefig("results/data/test_risk.pdf")
