"""`n2n-tf serve`: a local server with TensorFlow Serving's API."""

import argparse
import logging
import os
import signal
import sys
import threading

from n2n_tf.cli.flags import add_flags, given
from n2n_tf.cli.seldom import Seldom
from n2n_tf.config import ServeConfig
from n2n_tf.tasks.quiet import quiet_import

QUIET = 60.0  # seconds until another library says the same again
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
    for name in ("uvicorn.error", "asyncio"):  # a line for each connection and each bad request
        logging.getLogger(name).addFilter(Seldom(QUIET))
    config = ServeConfig(**given(args, ServeConfig))
    with quiet_import():
        from n2n_tf.serving.server import Server
    asked, signals = threading.Event(), (signal.SIGINT, signal.SIGTERM)
    server = Server(args.models, config)
    for each in signals:
        signal.signal(each, lambda *_: asked.set())
    rest = f"http://{server.url_host}:{server.rest_port}"
    print(f"REST {rest}/v1/models/{server.models.names[0]}, gRPC {server.url_host}:{server.grpc_port}")
    print(f"try it in a browser: {rest}/  (at most {server.pixels:,} pixels a request; Ctrl-C stops)", flush=True)
    asked.wait()
    for each in signals:
        signal.signal(each, signal.SIG_DFL)  # a second Ctrl-C does not wait
    server.stop()
    sys.stdout.flush()
    os._exit(0)  # Python would wait for threads that still compute
