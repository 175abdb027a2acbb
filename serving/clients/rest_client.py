"""Denoise a PNG or JPEG through TensorFlow Serving's REST API, with Python's standard library alone.

python rest_client.py noisy.png denoised.png [--url http://localhost:8501]

It waits at most 120 seconds for the connection and for each part of the answer; a server that goes on sending slowly is
not given up. n2n_tf.serving.Client bounds the whole request.
"""

import argparse
import base64
import http.client
import json
import sys
import urllib.error
import urllib.request

ANSWER_BYTES = 2**28  # of an answer that are read; 2**16 of an error


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: another host would get the headers, an API key among them."""

    def redirect_request(self, *_: object) -> None:
        """None: the redirect itself is the answer, an HTTPError."""


def header(text: str) -> tuple[str, str]:
    """NAME: VALUE, in two."""
    name, value = text.split(": ", 1)
    return name, value


def said(error: urllib.error.HTTPError) -> str:
    """The server's own words, or the beginning of them."""
    try:
        return error.read(2**16).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return error.reason


def main() -> int:
    """Send, receive, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("noisy")
    parser.add_argument("denoised")
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--model", default="n2n")
    parser.add_argument("--label", help="of a version, for instance stable; default: the highest version")
    parser.add_argument(
        "--header", action="append", type=header, default=[], metavar="NAME: VALUE", help="for instance an API key"
    )
    args = parser.parse_args()
    version = f"/labels/{args.label}" if args.label else ""
    headers = {"Content-Type": "application/json", **dict(args.header)}
    try:
        with open(args.noisy, "rb") as file:
            instance = {"b64": base64.b64encode(file.read()).decode()}
        body = json.dumps({"signature_name": "encoded", "instances": [instance]}).encode()
        request = urllib.request.Request(f"{args.url}/v1/models/{args.model}{version}:predict", body, headers)
        with urllib.request.build_opener(Stay).open(request, timeout=120) as response:
            answer = response.read(ANSWER_BYTES)
        denoised = base64.b64decode(json.loads(answer)["predictions"][0]["b64"], validate=True)
        with open(args.denoised, "wb") as file:
            file.write(denoised)
    except urllib.error.HTTPError as error:
        print(f"{error.code}: {said(error)}", file=sys.stderr)
        return 1
    except (OSError, http.client.HTTPException) as error:
        print(f"{args.url}: {str(error).strip()}", file=sys.stderr)
        return 1
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        print(f"{args.url}: no answer of TensorFlow Serving: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
