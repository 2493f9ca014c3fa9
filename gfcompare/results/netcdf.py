"""netCDF-4 files: opening one, telling why it cannot be read (in use, damaged, or else), writing groups."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from gfcompare.components.errors import InputError
from gfcompare.results import checksum

if TYPE_CHECKING:
    import netCDF4

# Errors of the file system, which netCDF passes on as they are. Its own have negative numbers.
_DENIED = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE)
# Bytes from which on a file is not read as a whole: smaller ones keep no file open.
_LARGE = 64 << 20
# Bytes of chunks that are kept of each variable of an open file. Chunks are written whole, once: with the
# 64 MB of netCDF the whole result would be in memory.
_CHUNK_CACHE = 1 << 16
# Texts of a variable from which on they are written as packed characters of one length. Texts of any length
# cannot be packed, and xarray reads them when the file is opened, at four bytes for each character of the
# longest: for 16 checks of 40,000 trajectories that were 74 MB in the file and 270 MB in memory.
_MANY_TEXTS = 10_000


class FileInUseError(InputError):
    """Another program has the file open for writing."""


def is_in_use(path: Path) -> bool:
    """Return whether another program has locked a file, as HDF5 does while it may write to it."""
    try:
        import fcntl
    except ImportError:  # not POSIX: such a file cannot be opened at all there
        fcntl = None  # type: ignore[assignment]
    try:
        with path.open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except PermissionError:
        return fcntl is None
    except OSError:  # a file system without locks
        return False
    return False


def unreadable(path: Path, error: Exception, what: str, advice: str) -> InputError:
    """Return the error for a netCDF file that could not be read.

    Parameters
    ----------
    path : the file
    error : what netCDF said, which has one error for a file that is locked and one that is damaged
    what : what is wrong with the file if it is not in use, such as ``"not a netCDF-4 file"``
    advice : what to do then
    """
    if is_in_use(path):
        return FileInUseError(
            f"{path}: in use by another program, which has it open for writing. Wait for it or close it, "
            "then give the same command again."
        )
    if isinstance(error, OSError) and error.errno in _DENIED:
        return InputError(f"{path}: cannot be read ({os.strerror(error.errno or 0)}).")
    text = " ".join(str(error).split())
    return InputError(f"{path}: {what} ({text}).{advice and ' '}{advice}")


@contextmanager
def readable(path: Path, what: str, advice: str = "") -> Iterator[None]:
    """Raise InputError, with the reason, where a netCDF file cannot be read."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of netCDF or xarray, of many kinds where a file is forged
        raise unreadable(path, error, what, advice) from None


def check_content(file: Path) -> checksum.Verdict:
    """Compare a file with its checksum, or raise InputError if it is damaged or cannot be read."""
    with readable(file, "not a netCDF-4 file"):
        try:
            return checksum.check(file)
        except checksum.DamagedError as error:
            if is_in_use(file):  # and has another content by now
                raise unreadable(file, error, "", "") from None
            raise


def open_tree(file: Path) -> xr.DataTree:
    """Open a netCDF-4 file with groups, or raise InputError if it is none, or damaged.

    A small one is read whole; of one that is larger a variable is read when its values are first asked for.
    """
    check_content(file)
    with readable(file, "not a netCDF-4 file"):
        if file.stat().st_size > _LARGE:
            return xr.open_datatree(file, engine="netcdf4")
        with xr.open_datatree(file, engine="netcdf4") as tree:
            return tree.load()


@contextmanager
def new_file(file: Path, root: xr.Dataset) -> Iterator[netCDF4.Dataset]:
    """Make a file with a root group, open for groups to be added to it.

    To open it again for each group, as `xarray.Dataset.to_netcdf` does, takes a time in proportion to the
    groups that are there already.
    """
    import netCDF4

    root.to_netcdf(file, engine="netcdf4", mode="w")
    before = netCDF4.get_chunk_cache()
    netCDF4.set_chunk_cache(_CHUNK_CACHE)
    try:
        with netCDF4.Dataset(file, "a") as whole:
            yield whole
    finally:
        netCDF4.set_chunk_cache(*before)


def write(data: xr.Dataset, group: netCDF4.Group) -> None:
    """Write a dataset into a group of an open file."""
    for variable in data.variables.values():
        if variable.dtype.kind in "OU" and variable.size >= _MANY_TEXTS and not variable.encoding:
            variable.encoding = {"dtype": "S1", "zlib": True, "complevel": 1}
    data.dump_to_store(_store(group))


def written(group: netCDF4.Group) -> xr.Dataset:
    """Return what is in a group of an open file; a variable is read when its values are asked for.

    It must not be closed: that would close the file.
    """
    return xr.open_dataset(_store(group), cache=False)


def _store(group: netCDF4.Group) -> Any:
    store: Any = xr.backends.NetCDF4DataStore
    return store(group)


def attributes(file: Path) -> dict[str, Any]:
    """Return the attributes of the root group alone."""
    import netCDF4

    check_content(file)
    with readable(file, "not a netCDF-4 file"), netCDF4.Dataset(file) as data:
        return {name: data.getncattr(name) for name in data.ncattrs()}
