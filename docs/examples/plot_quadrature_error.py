"""Estimated error of the gradient
===============================

Two inputs, one integrated exactly, one with nodes. Relative to a gradient that vanishes the error grows.
"""

import gfcompare as gfc

study = gfc.Study(
    "square",
    targets={"bump": gfc.targets.RadialBump(centre=[0.25, -0.1], width=0.4)},
    integrators={"standard-gf": gfc.integrator("standard-gf")},
    network=gfc.ReLUNetwork((2, 8, 1)),
    measure=gfc.measures.Box(-1.0, 1.0, dimension=2),
    quadrature=gfc.Quadrature(nodes=64),
    times=gfc.Times(end=100.0, count=31),
    seeds=4,
)
figure = gfc.figures.quadrature_error(study.run("results/square"))
figure.savefig("results/square/quadrature_error.pdf")
