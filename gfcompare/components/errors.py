"""Errors that a user can mend, each one message: what, where, what is allowed, nearest name."""

import difflib
import re
import signal
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TypeGuard

# Names are those of groups and variables in netCDF files and of files and folders: netCDF refuses other first
# characters, and "/" and "\\" part the folders of a path.
_NAME = re.compile(r"\w(?:[^/\\\x00-\x1f\x7f]*[^/\\\x00-\x1f\x7f\s])?")

LONGEST_NAME = 80
#: Whole numbers of a study are stored and counted in 64 bits.
LARGEST_INTEGER = 2**63 - 1
#: netCDF allows 256 bytes for the name of a group, file systems 255, with an ending.
LONGEST_GROUP = 240
_MOST_BYTES = 200  # of a name, which a grid makes longer
_LONGEST_MESSAGE = 1200


class InputError(ValueError):
    """A wrong name, value, shape, file or option, said in one sentence a user can act on."""

    def within(self, where: str) -> "InputError":
        """Return the same error with `where` (file, key) put in front."""
        return type(self)(f"{where}: {self}")


def shortened(text: str) -> str:
    """Return a message on one line of a readable length, whatever values it quotes."""
    return cut(" ".join(text.split()))


def cut(text: str) -> str:
    """Return a text without its middle if it is too long: what is raised elsewhere may have any length."""
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:700]} ... {text[-500:]}"


class ContractError(InputError):
    """A plugin returns what its interface does not allow: said at the first call, no result is made of it."""


class MethodWarning(UserWarning):
    """A method failed on some trajectories: which, how many, and where in its author's file."""


#: What somebody else's code may raise where a result is expected: a call of `sys.exit` there ends no run.
FOREIGN_ERRORS: tuple[type[Exception], type[SystemExit]] = (Exception, SystemExit)


def is_foreign(error: BaseException) -> bool:
    """Return whether an error is of somebody else's code, whatever its kind, and not Ctrl-C.

    In worker processes, which ignore Ctrl-C, and in threads, which it does not reach, a KeyboardInterrupt is
    nothing else than any other error.
    """
    if not isinstance(error, KeyboardInterrupt) or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return True
    return threading.current_thread() is not threading.main_thread()


class ExitCalledError(RuntimeError):
    """Somebody else's code called `sys.exit`, which would end the program with the exit code of success."""


def as_exception(error: BaseException) -> Exception:
    """Return an error that ends no process where it is raised: a call of `sys.exit` as `ExitCalledError`."""
    if isinstance(error, Exception):
        return error
    text = f"sys.exit({error.code!r}) was called" if isinstance(error, SystemExit) else repr(error)
    found = ExitCalledError(text)
    found.__cause__ = error
    return found.with_traceback(error.__traceback__)


def cause_of(error: BaseException) -> str:
    """Return the type and the text of an error, for a message."""
    if isinstance(error, SystemExit):
        return str(as_exception(error))
    try:
        text = str(error)
    except Exception as other:  # of a class of somebody else
        text = f"its text cannot be shown ({type(other).__name__})"
    return f"{type(error).__name__}: {cut(text)}"


class MissingLibraryError(InputError):
    """A library that is optional is not installed; the message says how to install it."""


class RunError(RuntimeError):
    """A run could not be finished although its input is right; what was computed is kept."""


def normalized(name: str) -> str:
    """Return a name in composed Unicode (NFC).

    The same text can be stored in two ways, as a keyboard makes it and as some file systems do. netCDF
    composes names, so that two of them would be one group.
    """
    return unicodedata.normalize("NFC", name)


# Characters that change how the text around them is laid out: right-to-left and isolating marks.
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control characters, lone surrogates, separators of lines and paragraphs.
_UNPRINTED = frozenset(("Cc", "Cs", "Zl", "Zp"))


def _is_unprinted(character: str) -> bool:
    return character in _BIDIRECTIONAL or unicodedata.category(character) in _UNPRINTED


def printable(text: str) -> str:
    """Return text that a terminal shows and does not obey: control characters as escapes.

    Lines and tabs are kept.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode() if _is_unprinted(c) and c not in "\n\t" else c for c in text
    )


def is_name(name: object) -> bool:
    """Return whether something can name a group, a variable, a file or a folder."""
    return is_full_name(name) and len(name) <= LONGEST_NAME and _bytes(name) <= _MOST_BYTES


def is_full_name(name: object) -> TypeGuard[str]:
    """Return whether something can name a problem or method, with what tells it from others in a grid."""
    return (
        isinstance(name, str)
        and _bytes(name) <= LONGEST_GROUP
        and _NAME.fullmatch(name) is not None
        and ((name.isascii() and name.isprintable()) or not any(map(_is_unprinted, name)))
    )


def _bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def known_name(kind: str, given: str, known: Sequence[str]) -> str:
    """Return the known name that is the given text, however its letters are composed.

    Raises
    ------
    InputError
        if there is none, with the nearest one
    """
    if given in known:
        return given
    for name in known:
        if normalized(name) == normalized(given):
            return name
    raise unknown_name(kind, given, known)


def known_names(kind: str, given: str, known: Sequence[str]) -> list[str]:
    """Return the known name that is the given text, or all of a grid: ``gd`` means ``gd[step 0.1]``, ...

    Raises
    ------
    InputError
        if there is none, with the nearest one
    """
    bases = {name: normalized(name.partition("[")[0]) for name in known if name.endswith("]")}
    if normalized(given) not in map(normalized, known):
        found = [name for name, base in bases.items() if base == normalized(given)]
        if found:
            return found
    return [known_name(kind, given, [*known, *dict.fromkeys(bases.values())])]


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
