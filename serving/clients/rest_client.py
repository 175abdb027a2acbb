"""Denoise a PNG or JPEG through TensorFlow Serving's REST API, with Python's standard library alone.

python rest_client.py noisy.png denoised.png [--url http://localhost:8501]
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: another host would get the headers, an API key among them."""

    def redirect_request(self, *_):
        """None: the redirect itself is the answer, an HTTPError."""


def main() -> int:
    """Send, receive, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("noisy")
    parser.add_argument("denoised")
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--model", default="n2n")
    parser.add_argument("--label", help="of a version, for instance stable; default: the highest version")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE", help="for instance an API key")
    args = parser.parse_args()
    version = f"/labels/{args.label}" if args.label else ""
    headers = {"Content-Type": "application/json", **dict(header.split(": ", 1) for header in args.header)}
    try:
        with open(args.noisy, "rb") as file:
            instance = {"b64": base64.b64encode(file.read()).decode()}
        body = json.dumps({"signature_name": "encoded", "instances": [instance]}).encode()
        request = urllib.request.Request(f"{args.url}/v1/models/{args.model}{version}:predict", body, headers)
        with urllib.request.build_opener(Stay).open(request, timeout=120) as response:
            denoised = base64.b64decode(json.load(response)["predictions"][0]["b64"])
        with open(args.denoised, "wb") as file:
            file.write(denoised)
    except urllib.error.HTTPError as error:
        print(f"{error.code}: {error.read().decode()}", file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError) as error:
        print(f"{args.url}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
