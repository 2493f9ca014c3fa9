"""Ways to evaluate risk and gradient, one for each kind of problem; `Problem` picks among them."""
