"""`n2n-tf serve`: a local server with TensorFlow Serving's API."""

import argparse
import logging
import os
import signal
import threading

from n2n_tf.cli.flags import add_flags, given
from n2n_tf.cli.quiet import quiet_import
from n2n_tf.config import ServeConfig

HELP = "serve exported models, with a page to try them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The places of the models, and one flag for each field of ServeConfig."""
    parser.add_argument(
        "models",
        nargs="+",
        type=os.path.expanduser,
        metavar="MODEL_DIR",
        help="what export.py --output wrote (served under its name), or one models.config of TensorFlow Serving",
    )
    add_flags(parser, ServeConfig)


def run(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    logging.getLogger("grpc._common").setLevel(logging.CRITICAL)  # a traceback for each request that is no message
    config = ServeConfig(**given(args, ServeConfig))
    with quiet_import():
        from n2n_tf.serving.server import Server
    asked = threading.Event()
    server = Server(args.models, config)
    usual = {each: signal.signal(each, lambda *_: asked.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    rest = f"http://{server.url_host}:{server.rest_port}"
    print(f"REST {rest}/v1/models/{server.models.names[0]}, gRPC {server.url_host}:{server.grpc_port}")
    print(f"try it in a browser: {rest}/  (at most {server.pixels:,} pixels a request; Ctrl-C stops)", flush=True)
    asked.wait()
    for each, handler in usual.items():  # a second Ctrl-C does not wait
        signal.signal(each, handler)
    server.stop()
