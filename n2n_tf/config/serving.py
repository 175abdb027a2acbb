"""Settings of the local server."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from n2n_tf.config.settings import above, at_least, check_ranges, setting

BYTES_PER_PIXEL = 1500  # held while a pixel goes through the paper's U-Net
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # a container's limit
DAY = 86_400


@dataclass(frozen=True)
class ServeConfig:
    """One local server. Each field is a flag of `n2n-tf serve`."""

    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in", metavar="ADDRESS")
    grpc_port: int = setting(
        8500, "port of the gRPC API; 0 takes a free one", metavar="N", within=at_least(0, 2**16 - 1)
    )
    rest_port: int = setting(
        8501, "port of the REST API and of the page; 0 takes a free one", metavar="N", within=at_least(0, 2**16 - 1)
    )
    concurrency: int = setting(2, "requests denoised at the same time", metavar="N", within=at_least(1, 2**10))
    queue: int = setting(
        32, "requests that may wait; a further one is refused (429)", metavar="N", within=at_least(0, 2**10)
    )
    timeout: float = setting(
        60.0, "seconds a request may take to arrive, and to wait", metavar="S", within=above(0, DAY)
    )
    max_body: int = setting(2**26, "largest request in bytes (413)", metavar="BYTES", within=at_least(1))
    max_pixels: int = setting(
        0, "largest request in pixels (413); 0: what half of the memory holds, --concurrency times", metavar="N",
        within=at_least(0, 2**62),
    )  # fmt: skip
    poll: float = setting(1.0, "seconds between looks for new versions", metavar="S", within=above(0, DAY))
    grace: float = setting(
        30.0, "seconds that requests have to end when the server stops", metavar="S", within=above(0, DAY)
    )

    inspect: bool = setting(
        False,
        "measure the noise of what is sent and what the answers gain, as Prometheus gauges and on the page: after the "
        "answer, 2 processor seconds for 512×512 pixels and 4 at the most with the U-Net, 0.3 GB",
    )
    cors: bool = setting(False, "let web pages of any origin use the REST API, not only its own page")

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def pixels(self) -> int:
        """`max_pixels`, or what fits in half of the memory, of the machine or of the container."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            memory = min(memory, int(CONTAINER.read_text()))
        return self.max_pixels or memory // 2 // BYTES_PER_PIXEL // self.concurrency
