"""Settings of the local server."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from n2n_tf.config.settings import UsageError, flag, setting

BYTES_PER_PIXEL = 1500  # held while a pixel goes through the paper's U-Net
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # a container's limit
DAY = 86_400


@dataclass(frozen=True)
class ServeConfig:
    """One local server. Each field is a flag of `n2n-tf serve`."""

    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in", metavar="ADDRESS")
    grpc_port: int = setting(8500, "port of the gRPC API; 0 takes a free one", metavar="N")
    rest_port: int = setting(8501, "port of the REST API and of the page; 0 takes a free one", metavar="N")
    concurrency: int = setting(2, "requests denoised at the same time", metavar="N")
    queue: int = setting(32, "requests that may wait; a further one is refused (429)", metavar="N")
    timeout: float = setting(60.0, "seconds a request may take to arrive, and to wait", metavar="S")
    max_body: int = setting(2**26, "largest request in bytes (413)", metavar="BYTES")
    max_pixels: int = setting(
        0, "largest request in pixels (413); 0: what half of the memory holds, --concurrency times", metavar="N"
    )
    poll: float = setting(1.0, "seconds between looks for new versions", metavar="S")
    grace: float = setting(30.0, "seconds that requests have to end when the server stops", metavar="S")

    def __post_init__(self) -> None:
        for name in ("grpc_port", "rest_port"):
            if not 0 <= getattr(self, name) < 2**16:
                raise UsageError(f"{flag(name)} {getattr(self, name)}: wanted 0 to 65535")
        bounds = {"concurrency": (1, 2**10), "queue": (0, 2**10), "max_body": (1, 2**31 - 1), "max_pixels": (0, 2**62)}
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise UsageError(f"{flag(name)} {getattr(self, name)}: wanted {least} to {most}")
        for name in ("timeout", "poll", "grace"):
            if not 0 < getattr(self, name) <= DAY:
                raise UsageError(f"{flag(name)} {getattr(self, name)}: wanted seconds above 0, at most {DAY}")

    @property
    def pixels(self) -> int:
        """`max_pixels`, or what fits in half of the memory, of the machine or of the container."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            memory = min(memory, int(CONTAINER.read_text()))
        return self.max_pixels or memory // 2 // BYTES_PER_PIXEL // self.concurrency
