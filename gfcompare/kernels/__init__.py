"""Compiled numerics: arrays in, arrays out. Imports nothing else of gfcompare.

Where what lives:

============== =======================================================================
`compiled`     how a kernel is compiled
`cache`        where its machine code is kept
`sorting`      sorting keys that have moved little since they were last sorted
`doubles`      arithmetic with twice the digits of float64; `doubles_arrays` of whole arrays
`random`       random streams, one 256-bit state each
`line`         one hidden layer on a line: the generalised gradient
`line_risk`    the risk
`line_batch`   sampling from the measure, and the gradient over a batch of points
`line_hessian` the Hessian
`line_set`     one hidden layer on many segments parallel to one axis
`deep_line`    any number of hidden layers on such segments
`plane`        one hidden layer on a rectangle: the generalised gradient, of which `plane_lines`,
               `plane_chords` and `plane_perimeter` are parts; `plane_risk`, `plane_hessian`
`cube`         one hidden layer on a box in R^3: the generalised gradient, of which `cube_edges`,
               `cube_faces` and `cube_polygon` are parts
`cube_hessian` the Hessian
`cube_slices`  the same on slices of a box in R^4 or R^5
`cube_risk`    the risk; with twice the digits by `cube_pairs` and `cube_exact`
`box_gradient` the generalised gradient on any of these boxes, by the type of its data
`points`       any network on finitely many points
`ndf`          the flows of one hidden layer on a line, by implicit multistep formulas
`box_descent`  many explicit steps of gradient descent on such a box in one call
`descent`      many explicit steps of (stochastic) gradient descent in one call
============== =======================================================================
"""
