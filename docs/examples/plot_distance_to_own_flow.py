"""Distance to the flow that a method approximates
=================================================

How far each method is from the standard flow, or on M from the normalised one, from the same initial network.
"""

import gfcompare as gfc

tree = gfc.Study(
    "own_flow",
    targets={"sine": gfc.targets.Sine()},
    integrators={
        "standard-gf": gfc.integrator("standard-gf"),
        "normalized-gf": gfc.integrator("normalized-gf"),
        "gd": gfc.integrator("gd", step_size=0.05),
        "gd on M": gfc.integrator("gd", step_size=0.05, normalize=True),
    },
    network=gfc.ReLUNetwork((1, 8, 1)),
    times=gfc.Times(start=0.1, end=100.0, count=7),
    seeds=8,
).run("results/own_flow")
figure = gfc.figures.distance_to_own_flow(tree)
figure.savefig("results/own_flow/distance_to_own_flow.pdf")
