"""What does `n2n-tf serve` cost? Throughput and latency of PNG files, against the SavedModel called in a loop.

Prints a Markdown table: for each API, image size and number of clients the images per second, their ratio to the loop
(mean of before and after, through TensorFlow's C++ loader, in a process of its own), latencies and errors; then the
server's resident memory over 2000 small requests, and its peak for one of the largest. The paper's U-Net, random
weights. About 9 minutes on 2 CPU cores, which the clients share with the server.

    python benchmarks/serving.py [--clients 1 4 16] [--sides 256 512] [--seconds 30] [--json FILE]
"""

import argparse
import base64
import http.client
import json
import math
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from n2n_tf.tasks.quiet import quiet_import

MEMORY_REQUESTS = 2000
Call = Callable[[], bool]  # one request; whether it was answered well


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--loop", nargs=2, help=argparse.SUPPRESS)  # this program, as the process with the loop
    args = parser.parse_args()
    if args.loop:
        print(loop(args.loop[0], int(args.loop[1]), args.seconds))
        return
    with quiet_import():
        from n2n_tf.config import MAX_PIXELS
        from n2n_tf.exporting import export
        from n2n_tf.networks import unet
    with tempfile.TemporaryDirectory() as folder:
        unet(seed=0).save(Path(folder, "unet.keras"))
        version = export(Path(folder, "unet.keras"), Path(folder, "n2n"), MAX_PIXELS)
        rows = [row for side in args.sides for row in measure(version, side, args.clients, args.seconds)]
        memory = memory_of(version)
        peak = peak_of(version, math.isqrt(MAX_PIXELS) // 32 * 32)
    print("| API | image | clients | images per s | ratio to the loop | median s | p99 s | max s | errors |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        p99, ratio = f"{row['p99']:.3f}" if row["p99"] else "-", row["rate"] / row["loop"]
        print(
            f"| {row['api']} | {row['side']}² | {row['clients']} | {row['rate']:.2f} | {ratio:.2f} | "
            f"{row['median']:.3f} | {p99} | {row['max']:.3f} | {row['errors']} |"
        )
    print(f"\nresident memory after 200, 400, … {MEMORY_REQUESTS} requests of 64×64: {memory} MB")
    print(f"peak for one of the most pixels: {peak} MB")
    if args.json:
        result = {"machine": platform.processor(), "rows": rows, "memory": memory, "peak": peak}
        args.json.write_text(json.dumps(result, indent=2) + "\n")


def measure(version: Path, side: int, clients: list[int], seconds: float) -> list[dict[str, Any]]:
    """Rows of one image size; the loop runs before and after."""
    loops, rows = [loop_apart(version, side, seconds)], []
    with served(version.parent) as ports:
        for api in CALLS:
            for count in clients:
                rows.append({"api": api, "side": side, **load(api, ports, side, count, seconds)})
    loops.append(loop_apart(version, side, seconds))
    return [{**row, "loop": float(np.mean(loops))} for row in rows]


def load(api: str, ports: dict[str, int], side: int, clients: int, seconds: float) -> dict[str, Any]:
    """Ask with so many clients for so long, each as soon as it has its answer."""
    times: list[float] = []
    errors: list[int] = []
    calls = [CALLS[api](ports[api], png(side)) for _ in range(clients)]
    for call in calls[:2]:
        call()
    until = time.monotonic() + seconds

    def ask(call: Call) -> None:
        while (begin := time.monotonic()) < until:
            if not call():
                errors.append(1)
            times.append(time.monotonic() - begin)

    begin = time.monotonic()
    threads = [threading.Thread(target=ask, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = (len(times) - len(errors)) / (time.monotonic() - begin)
    p99 = float(np.percentile(times, 99)) if len(times) > 200 else None
    median = float(np.median(times))
    return {"clients": clients, "rate": rate, "median": median, "p99": p99, "max": max(times), "errors": len(errors)}


def memory_of(version: Path) -> list[int]:
    """MB after each tenth of the requests."""
    found = []
    with served(version.parent) as ports:
        calls = [CALLS[api](ports[api], png(64)) for api in CALLS]
        for number in range(MEMORY_REQUESTS):
            if not calls[number % len(calls)]():
                raise RuntimeError("a request failed")
            if (number + 1) % (MEMORY_REQUESTS // 10) == 0:
                found.append(resident(ports["process"], "VmRSS"))
    return found


def peak_of(version: Path, side: int) -> int:
    """MB that one request of this size takes at most, the server included."""
    with served(version.parent, f"--max-pixels={side**2}") as ports:
        if not CALLS["gRPC"](ports["gRPC"], png(side))():
            raise RuntimeError("a request failed")
        return resident(ports["process"], "VmHWM")


def resident(process: int, kind: str) -> int:
    """MB, now (VmRSS) or at most (VmHWM)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{kind}:")[2].split()[0]) // 1024


@contextmanager
def served(folder: Path, *flags: str) -> Iterator[dict[str, int]]:
    """A server of its own process; its ports by API."""
    command = [sys.executable, "-m", "n2n_tf", "serve", str(folder), "--rest-port", "0", "--grpc-port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    rest, grpc = process.stdout.readline().split(", gRPC ")
    try:
        yield {
            "REST": int(rest.split(":")[2].partition("/")[0]),
            "gRPC": int(grpc.rpartition(":")[2]),
            "process": process.pid,
        }
    finally:
        process.terminate()
        process.wait()


def png(side: int) -> bytes:
    """A smooth image with noise, as photographs have."""
    rows, columns = np.mgrid[:side, :side] / 40
    clean = 127 + 90 * np.stack([np.sin(rows + phase) * np.cos(columns) for phase in range(3)], -1)
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    return bytes(imagecodecs.png_encode(np.clip(noisy, 0, 255).round().astype(np.uint8)))


def rest_call(port: int, file: bytes) -> Call:
    """A client that keeps its connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = json.dumps({"signature_name": "encoded", "instances": [{"b64": base64.b64encode(file).decode()}]})

    def call() -> bool:
        try:
            connection.request("POST", "/v1/models/n2n:predict", body)
            return "predictions" in json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            return False

    return call


def grpc_call(port: int, file: bytes) -> Call:
    """A client that keeps its channel."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "n2n", "encoded"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([file]))

    def call() -> bool:
        try:
            return len(stub.Predict(request, timeout=120).outputs["denoised_bytes"].string_val[0]) > 0
        except grpc.RpcError:
            return False

    return call


CALLS: dict[str, Callable[[int, bytes], Call]] = {"REST": rest_call, "gRPC": grpc_call}


def loop_apart(version: Path, side: int, seconds: float) -> float:
    """Images per second of `loop`, in a process of its own."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--loop", str(version), str(side)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def loop(version: str, side: int, seconds: float) -> float:
    """Images per second of the SavedModel called in a loop."""
    with quiet_import():
        from n2n_tf.exporting.cpp_loader import CppModel
    model, inputs, count = CppModel(version), {"image_bytes": np.array([png(side)], object)}, 0
    model.run("encoded", inputs)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        model.run("encoded", inputs)
        count += 1
    return count / (time.monotonic() - begin)


if __name__ == "__main__":
    main()
