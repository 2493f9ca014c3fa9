"""Compiled numerics: arrays in, arrays out. Imports nothing else of gfcompare.

Where what lives:

============== =======================================================================
`compiled`     how a kernel is compiled
`cache`        where its machine code is kept
`sorting`      sorting keys that have moved little since they were last sorted
`doubles`      arithmetic with twice the digits of float64
`random`       random streams, one 256-bit state each
`line`         one hidden layer on a line: the generalised gradient
`line_risk`    the risk
`line_batch`   sampling from the measure, and the gradient over a batch of points
`line_hessian` the Hessian
`line_set`     one hidden layer on many segments parallel to one axis
`deep_line`    any number of hidden layers on such segments
`points`       any network on finitely many points
`ndf`          the flows of one hidden layer on a line, by implicit multistep formulas
`descent`      many explicit steps of (stochastic) gradient descent in one call
============== =======================================================================
"""
