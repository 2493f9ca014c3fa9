"""Final risk against the step size
================================

Two descent methods at ten step sizes, and the flow that they approximate.
"""

import gfcompare as gfc

sizes = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
study = gfc.Study(
    "step sizes",
    targets={"kink": gfc.targets.AbsoluteValue(centre=0.4)},
    integrators={"standard-gf": gfc.integrator("standard-gf")}
    | {name: [gfc.integrator(name, step_size=s) for s in sizes] for name in ("gd", "momentum")},
    times=gfc.Times(end=50.0, count=21),
)
figure = gfc.figures.risk_by_option(study.run("results/step sizes"))
figure.savefig("results/step sizes/risk_by_option.pdf")
