"""Where a Zarr group is written, block by block: one process at a time, and another can go on after a kill.

On this machine the group grows in a folder beside its place and takes it by a rename. At a URL it grows in place; its
own metadata comes last, so that nothing opens it as an image before it is whole.
"""

import contextlib
import json
import logging
import os
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from n2n_tf.config import RunError
from n2n_tf.files import PARTIAL, partial_name
from n2n_tf.formats.ome_zarr import OmeImage, without_consolidated
from n2n_tf.formats.zarr_place import ZarrPlace, is_url
from n2n_tf.ownership import owned

logger = logging.getLogger(__name__)

RECORD = "n2n_tf-unfinished.json"
ROOT = ("zarr.json", ".zattrs", ".zgroup")


class ZarrOutput:
    """A group that is being written, and the record of what is done of it.

    Args:
        target: folder or URL that the group will have.
        workplace: folder that this process owns, with the record; None at a URL.
    """

    def __init__(self, target: str, workplace: Path | None):
        self.target, self.workplace = target, workplace
        self.place = ZarrPlace(str(workplace / "zarr") if workplace else target)
        self._record = ZarrPlace(str(workplace)) if workplace else self.place
        self._token = uuid.uuid4().hex
        self.job: dict[str, Any] = {}
        self.done: list[int] = []

    def begun(self, image: OmeImage) -> dict[str, Any] | None:
        """The record of a job that was begun here and not ended; None without the metadata that it begins with.

        Raises:
            RunError: another process of this machine is at it; only at a URL, where no lock says so before.
        """
        record = self._record.document(RECORD)
        if record is None or any(self.place.read(name) is None for name in _below(image)):
            return None
        if not self.workplace and _lives(record.get("owner")):
            raise RunError(f"{self.target}: {record['owner']} is writing there; wait for its end, or stop it")
        return record

    def begin(self, image: OmeImage, job: dict[str, Any]) -> None:
        """Begin anew, with the metadata of the source but the group's own.

        Args:
            image: the source.
            job: what tells this job from others, for the record.
        """
        self.discard()
        for name, data in _below(image).items():
            self.place.write(name, data)
        self.job, self.done = job, [0] * len(image.levels)
        self._save()

    def go_on(self, record: dict[str, Any]) -> None:
        """Take over what was begun."""
        self.job, self.done = record["job"], record["done"]
        self._save()

    def put_down(self, level: int, done: int) -> None:
        """Record that so many blocks of a level are written.

        Raises:
            RunError: another machine has begun to write there; only at a URL.
        """
        if not self.workplace and (self._record.document(RECORD) or {}).get("token") != self._token:
            raise RunError(f"{self.target}: another process has taken it over; stop one of them, or name another")
        self.done[level] = done
        self._save()

    def finish(self, image: OmeImage, resumed: bool) -> None:
        """Write the group's own metadata and give it its name; what had that goes."""
        for name in ROOT:
            if name in image.documents:
                self.place.write(name, without_consolidated(name, image.documents[name]))
        if image.consolidated:
            self.place.consolidate()
        if not self.workplace:
            self.place.remove(RECORD)
            return
        if resumed:
            for left in Path(self.place.path).rglob("*.partial"):  # of a chunk that zarr was writing
                left.unlink()
        old = os.path.join(os.path.dirname(self.target), partial_name(""))
        if os.path.lexists(self.target):
            os.rename(self.target, old)
        os.rename(self.place.path, self.target)
        ZarrPlace(old).remove()
        self._record.remove(RECORD)

    def discard(self) -> None:
        """Remove what was written."""
        self.place.remove()
        self._record.remove(RECORD)

    def _save(self) -> None:
        record = {"token": self._token, "owner": _me(), "job": self.job, "done": self.done}
        self._record.write(RECORD, json.dumps(record).encode())


@contextlib.contextmanager
def opened(target: str) -> Iterator[ZarrOutput]:
    """Own the place of a group. At a URL its record does that: a later process of another machine takes it over.

    Raises:
        RunError: another process writes there.
        OSError: a folder cannot be made.
    """
    if is_url(target):
        yield ZarrOutput(target, None)
        return
    folder = Path(target).parent / f"{PARTIAL}{Path(target).name}"
    with owned(folder, doing="writing"):
        yield ZarrOutput(target, folder)
    with contextlib.suppress(OSError):  # not empty: not finished
        folder.rmdir()


def _below(image: OmeImage) -> dict[str, bytes]:
    """The metadata of all but the group itself."""
    return {name: data for name, data in image.documents.items() if name not in ROOT}


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _lives(owner: Any) -> bool:
    """Whether it is another process of this machine, and runs."""
    found = re.fullmatch(rf"process (\d{{1,9}}) on {re.escape(socket.gethostname())}", str(owner))
    if not found or owner == _me():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
