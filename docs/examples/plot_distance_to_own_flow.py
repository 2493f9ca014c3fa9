"""Distance to the flow that a method approximates
=================================================

How far each method is from the standard flow, or on M from the normalised one, from the same initial network.
"""

import gfcompare as gfc

flows = {name: gfc.integrator(name) for name in ("standard-gf", "normalized-gf")}
on_m = gfc.integrator("gd", step_size=0.05, normalize=True)
study = gfc.Study(
    "own flow",
    targets={"sine": gfc.targets.Sine()},
    integrators={**flows, "gd": gfc.integrator("gd", step_size=0.05), "gd on M": on_m},
    network=gfc.ReLUNetwork((1, 8, 1)),
    seeds=8,
)
figure = gfc.figures.distance_to_own_flow(study.run("results/own flow"))
figure.savefig("results/own flow/distance_to_own_flow.pdf")
