"""Flow lines on the cylinder
==========================

The submanifold M of networks 1-1-1 is a cylinder: the angle of (w, b) across, v upwards.
"""

import gfcompare as gfc

study = gfc.Study(
    "one neuron",
    targets={"x": gfc.targets.Affine()},
    integrators={name: gfc.integrator(name) for name in ("standard-gf", "normalized-gf")},
    network=gfc.ReLUNetwork((1, 1, 1)),
    seeds=64,
)
figure = gfc.figures.cylinder(study.run("results/one neuron"))
figure.savefig("results/one neuron/cylinder.pdf")
