"""Errors that a user can mend, each one message: what, where, what is allowed, nearest name."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A wrong name, value, shape, file or option, said in one sentence a user can act on."""

    def within(self, where: str) -> "InputError":
        """Return the same error with `where` (file, key) put in front."""
        return type(self)(f"{where}: {self}")


class ContractError(InputError):
    """A plugin returns what its interface does not allow: said at the first call, no result is made of it."""


class MethodWarning(UserWarning):
    """A method failed on some trajectories: which, how many, and where in its author's file."""


class RunError(RuntimeError):
    """A run could not be finished although its input is right; what was computed is kept."""


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> InputError:
    """Return the error for a name that does not exist, with the nearest one that does.

    Parameters
    ----------
    kind : what the name should name, such as ``"target"``
    given : the name that was given
    allowed : every valid name
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(names) if names else "none"
    return InputError(f"unknown {kind} {given!r}.{hint} Allowed: {listed}.")
