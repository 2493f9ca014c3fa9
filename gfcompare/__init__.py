"""Gradient-flow integrators compared with gradient-descent methods on the training of ReLU networks."""

import lazy_loader

# Nothing is imported before it is used: Numba, xarray and matplotlib take seconds to import, and
# `gfcompare --help` needs none of them. Where each name lives is in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
