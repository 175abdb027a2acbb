"""One owner of a directory at a time."""

import contextlib
import errno
import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from n2n_tf.config import RunError

logger = logging.getLogger(__name__)

NAME = "owner.lock"
WORKER_NAME = "worker-{}.lock"
HELD = (errno.EACCES, errno.EAGAIN)  # POSIX allows either
WITHOUT = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # a file system that has no locks
PAUSE = 0.2  # seconds in which an owner writes its name
_turns = threading.Lock()  # of the threads of this process, which POSIX locks do not part
_own: set[Path] = set()  # of this process, to which its own POSIX locks are no hindrance


@contextlib.contextmanager
def owned(directory: Path, worker: int = 0, doing: str = "training") -> Iterator[None]:
    """Own a directory, which is made, and goes again if nothing was written there.

    Of several workers of a run the first owns its directory; each other one owns its number there: a second process of
    that number would end the living run, as TensorFlow takes it for the worker started again.

    A POSIX lock, since NFS servers keep those too, and free them when their process has gone, or (NFS 4, by its leases)
    its machine.

    Args:
        directory: to own.
        worker: number of the worker, 0 for the first or only one.
        doing: what an owner does there, for the error of another.

    Raises:
        RunError: another process owns it, on this machine or, on a network file system, on another.
    """
    made = [each for each in (directory, *directory.parents) if not each.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory.resolve() / (WORKER_NAME.format(worker) if worker else NAME)
    if path in _own:  # not opened: closing any descriptor of the file would free the lock
        raise RunError(f"`output` {directory}: this process is {doing} there already")
    _own.add(path)
    try:
        file = _locked(path, directory, doing)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the directory may have gone
                path.unlink()  # while it is still locked: no other owner's
            os.close(file)
    finally:
        _own.discard(path)
        with contextlib.suppress(OSError):  # not empty
            for each in made:
                each.rmdir()


@contextlib.contextmanager
def turn(path: Path) -> Iterator[None]:
    """One at a time: while a file is read and written anew, other processes and threads wait.

    Args:
        path: of a lock file, which goes again.
    """
    with _turns:
        file = _waited(path)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()  # while it is still locked: no other's
            os.close(file)


def _waited(path: Path) -> int:
    """The descriptor of a lock file, locked once it is our turn."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in WITHOUT:
                os.close(file)
                raise
            return file  # no locks here: two processes at the same moment may lose a row of one
        if _is(file, path):
            return file
        os.close(file)  # another removed it between our opening and locking it


def _locked(path: Path, directory: Path, doing: str) -> int:
    """The descriptor of the file, locked, with this process's name in it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file, directory, doing)
            if _is(file, path):
                os.ftruncate(file, 0)
                os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its owner removed it between our opening and locking it


def _lock(file: int, directory: Path, doing: str) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in WITHOUT:
            logger.warning(
                "%s has no locks (%s): see that no other process is %s there", directory, error.strerror, doing
            )
        elif error.errno in HELD:
            time.sleep(PAUSE)  # it may have locked the file just now
            owner = os.read(file, 300).decode(errors="replace") or "another process"
            raise RunError(
                f"`output` {directory}: {owner} is {doing} there; wait for its end, or stop it, or name another"
            ) from None
        else:
            raise


def _is(file: int, path: Path) -> bool:
    """Whether an open file is the one of this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
