"""What does `n2n-tf serve --inspect` cost? Two servers, one with the flag, asked in turn.

Prints a Markdown table: for each image size the latency of a request to either server, medians, with pauses in which
the inspection ends, and in a row, where it competes with the next requests; and the processor seconds that an
inspection takes, the difference of the two servers' own. Then their resident memory at most. The paper's U-Net, random
weights. About 5 minutes on 2 CPU cores.

    python -m benchmarks.inspection [--sides 512 1024] [--requests 7] [--row 8]
"""

import argparse
import base64
import http.client
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import png, resident, served
from n2n_tf.tasks.quiet import quiet_import

Ports = dict[str, int]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--requests", type=int, default=7, help="with pauses, to each server")
    parser.add_argument("--row", type=int, default=8, help="requests in a row, to each server, three times")
    args = parser.parse_args()
    with quiet_import():
        from n2n_tf.config import MAX_PIXELS
        from n2n_tf.exporting import export
        from n2n_tf.networks import unet
    with tempfile.TemporaryDirectory() as folder:
        unet(seed=0).save(Path(folder, "unet.keras"))
        version = export(Path(folder, "unet.keras"), Path(folder, "n2n"), MAX_PIXELS)
        with served(version.parent) as off, served(version.parent, "--inspect") as on:
            rows = [measure({"off": off, "on": on}, side, args.requests, args.row) for side in args.sides]
            peaks = {name: resident(ports["process"], "VmHWM") for name, ports in (("off", off), ("on", on))}
    print(
        "| image | flag | median s, with pauses | median s, in a row | max s, in a row | processor s of an inspection |"
    )
    print("|---|---|---|---|---|---|")
    for side, found in zip(args.sides, rows, strict=True):
        for name, row in found.items():
            print(
                f"| {side}² | {name} | {row['alone']:.2f} | {row['row']:.2f} | {row['max']:.2f} | {row['processor']} |"
            )
    print(f"\nresident memory at most, MB: {peaks}")


def measure(servers: dict[str, Ports], side: int, requests: int, row: int) -> dict[str, dict[str, Any]]:
    """One image size."""
    file, alone, in_row = png(side), {name: [] for name in servers}, {name: [] for name in servers}
    used: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(requests + 1):
        for name, ports in servers.items():
            begin = processor(ports["process"])
            seconds, ticket = ask(ports["REST"], file)
            wait(ports["REST"], ticket)
            if number:  # the first one is slow
                alone[name].append(seconds)
                used[name].append(processor(ports["process"]) - begin)
    for _ in range(3):
        for name, ports in servers.items():
            found = [ask(ports["REST"], file) for _ in range(row)]
            in_row[name] += [seconds for seconds, _ in found]
            for _, ticket in found:
                wait(ports["REST"], ticket)
    more = float(np.median(used["on"]) - np.median(used["off"]))
    return {
        name: {
            "alone": float(np.median(alone[name])), "row": float(np.median(in_row[name])), "max": max(in_row[name]),
            "processor": f"{more:.2f}" if name == "on" else "",
        }
        for name in servers
    }  # fmt: skip


def ask(port: int, file: bytes) -> tuple[float, str | None]:
    """Seconds of one request, and its ticket."""
    body = json.dumps({"signature_name": "encoded", "instances": [{"b64": base64.b64encode(file).decode()}]})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    begin = time.perf_counter()
    connection.request("POST", "/v1/models/n2n:predict", body)
    response = connection.getresponse()
    if "predictions" not in json.loads(response.read()):
        raise RuntimeError("a request failed")
    return time.perf_counter() - begin, response.headers["N2N-Inspection"]


def wait(port: int, ticket: str | None) -> None:
    """Until the inspection has ended."""
    while ticket:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("GET", f"/inspections/{ticket}")
        if json.loads(connection.getresponse().read())["state"] != "waiting":
            return
        time.sleep(0.2)


def processor(process: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
