"""A denoiser behind TensorFlow Serving's API, as a Python object."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from n2n_tf.config import lookup
from n2n_tf.inference.tiling import Span, kept, spans, tile_shape
from n2n_tf.serving import pictures
from n2n_tf.serving.grpc_transport import GrpcTransport
from n2n_tf.serving.rest_transport import RestTransport
from n2n_tf.serving.transport import ENVELOPE, MAX_BODY, ServingError, Target

SCHEMES: dict[str, Callable[[Target], RestTransport | GrpcTransport]] = {
    "http": RestTransport,
    "https": RestTransport,
    "grpc": GrpcTransport,
    "grpcs": GrpcTransport,
}
CELL = 32  # the network's, to whose multiples the server pads
Call = Callable[[np.ndarray], np.ndarray]  # a tile -> its result


class Client:
    """Denoise through a server: TensorFlow Serving, or anything with its API.

    Args:
        url: http://HOST:8501, https://HOST (REST), grpc://HOST:8500 or grpcs://HOST (gRPC, with TLS).
        model: its name on the server.
        version, label: which version; by default the highest one served.
        timeout: seconds from sending a request to the last byte of its answer. Only an unavailable server is asked
            again within them, four times in all. An image in tiles takes several requests.
        headers: sent with each request, for instance {"Authorization": "Bearer ..."}.
        tile: side in pixels above which images are sent in overlapping tiles, a multiple of 32.
        halo: overlap on each side; the reach of the paper's U-Net, 128, unless the model card says otherwise.
        max_body: bytes of a request that the server, or a proxy before it, takes; tiles get smaller where they must.

    Raises:
        UsageError: a URL of another scheme.
        ValueError: another setting that cannot be.

    Examples:
        >>> with Client("grpc://localhost:8500") as client:  # doctest: +SKIP
        ...     png = client.denoise("noisy.png")  # bytes of a PNG
        ...     clean = client.denoise(noisy)  # an array for an array
    """

    def __init__(
        self,
        url: str,
        model: str = "n2n",
        version: int | None = None,
        label: str | None = None,
        timeout: float = 60.0,
        headers: Mapping[str, str] | None = None,
        tile: int = 1024,
        halo: int = 128,
        max_body: int = MAX_BODY,
    ):
        scheme = lookup(SCHEMES, urlsplit(url).scheme, f"scheme of {url}")
        if tile % CELL or halo % CELL or not 0 <= 2 * halo < tile:
            raise ValueError(f"tile {tile}, halo {halo}: wanted multiples of 32, the tile larger than twice the halo")
        if version is not None and label is not None:
            raise ValueError(f"version {version} and label {label!r}: wanted one of them")
        if not 0 < timeout <= threading.TIMEOUT_MAX:
            raise ValueError(f"timeout {timeout}: wanted seconds, above 0 and at most {threading.TIMEOUT_MAX:.0f}")
        # A small integer may come back in two bytes; a file of a tile's size as more bytes than it had.
        self._most = max(2 * max_body + ENVELOPE, pictures.answer_bytes(tile, tile))
        self._transport = scheme(Target(url, model, version, label, timeout, dict(headers or {}), max_body, self._most))
        self._url, self._tile, self._halo, self._max_body = url, tile, halo, max_body

    def close(self) -> None:
        """Close the connection; `with Client(...) as client` does."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def denoise(self, image: str | Path | bytes | np.ndarray) -> bytes | np.ndarray:
        """Denoise a file or an array.

        Args:
            image: path or bytes of a PNG or JPEG; or an array [H, W], [H, W, C], uint8 or uint16 over their whole
                range or float in [0, 1].

        Returns:
            Bytes of a PNG of the same depth, without metadata and alpha; or an array of the same shape and dtype.
            What goes in tiles differs from the whole by at most 1e-5, or the rounding of a last digit.

        Raises:
            ServingError: what the server says, or that it does not answer.
            ValueError: an array of another form, or other channels than the model's; or no tile of it fits a request.
            OSError: the file cannot be read.
        """
        if isinstance(image, np.ndarray):
            return self._array(image)
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        size = pictures.size_of(data)
        fits = ENVELOPE + self._transport.file_bytes(len(data)) <= self._max_body
        large = pictures.pixels_of(data) if size and (max(size) > self._tile or not fits) else None
        if large is None:  # what is broken, the server says better
            return self._file(data, pictures.answer_bytes(*size) if size else self._most)
        return pictures.png(self._in_tiles(large, self._by_file, self._file_bytes(large)))

    def _array(self, image: np.ndarray) -> np.ndarray:
        if image.ndim not in (2, 3) or 0 in image.shape:
            raise ValueError(f"the image has shape {image.shape}; wanted non-empty [H, W] or [H, W, C]")
        if image.dtype.newbyteorder("=") not in (np.uint8, np.uint16) and image.dtype.kind != "f":
            raise ValueError(f"the image is {image.dtype}; wanted uint8, uint16 or float: convert it")
        whole = image if image.ndim == 3 else image[..., None]
        return self._in_tiles(whole, *self._way(whole)).astype(image.dtype, copy=False).reshape(image.shape)

    def _way(self, image: np.ndarray) -> tuple[Call, int]:
        """How its tiles are sent, by the signature that suits them, and the bytes of a pixel in a request."""
        channels = image.shape[-1]
        if image.dtype.kind == "f":
            return self._floats, self._transport.tensor_bytes(np.dtype(np.float32), channels)
        if image.dtype == np.uint8 and (self._transport.sends_bytes or channels not in pictures.PNG_CHANNELS):
            return self._integers, self._transport.tensor_bytes(image.dtype, channels)
        if channels not in pictures.PNG_CHANNELS:
            raise ValueError(f"{channels} channels of 16 bits; wanted 1 or 3, or floats")
        return self._by_file_of_as_many, self._file_bytes(image)

    def _file_bytes(self, image: np.ndarray) -> int:
        return self._transport.file_bytes(pictures.png_bytes(image.dtype, image.shape[-1]))

    def _in_tiles(self, whole: np.ndarray, call: Call, pixel_bytes: int) -> np.ndarray:
        """[H, W, C] through requests of at most a tile; the model may give other channels."""
        result = None
        for rows, columns in self._grid(whole.shape, pixel_bytes):
            tile = call(whole[rows.start : rows.stop, columns.start : columns.stop])
            if result is None:
                result = np.empty((*whole.shape[:2], tile.shape[-1]), tile.dtype)
            if tile.shape[-1] != result.shape[-1]:
                text = f"{result.shape[-1]} and {tile.shape[-1]} channels"
                raise ServingError(f"{self._url}: tiles of one image came back with {text}")
            in_image, in_tile = kept(rows, columns)
            result[in_image] = tile[in_tile]
        assert result is not None
        return result

    def _grid(self, shape: tuple[int, ...], pixel_bytes: int) -> list[tuple[Span, Span]]:
        """Tiles aligned to the network's cells; the last ones end with the image, where the server pads it."""
        height, width = (-(-length // CELL) * CELL for length in shape[:2])
        least, most = 2 * self._halo + CELL, (self._max_body - ENVELOPE) // pixel_bytes
        if min(height, least) * min(width, least) > most:
            raise ValueError(
                f"{least}×{least} pixels of {shape[2]} channels take {least**2 * pixel_bytes + ENVELOPE} bytes over "
                f"{urlsplit(self._url).scheme}, and max_body is {self._max_body}: raise it together with the "
                "server's own limit (n2n-tf serve --max-body), use grpc://, or give the smaller halo of the model card"
            )
        rows, columns = tile_shape(height, width, CELL, self._halo, most, self._tile)
        return [(r, c) for r in spans(height, rows, self._halo) for c in spans(width, columns, self._halo)]

    def _floats(self, tile: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            tile = tile.astype(np.float32)
        if not np.isfinite(tile).all():
            raise ValueError("the image has pixels that are no numbers, or too large for float32; wanted [0, 1]")
        result = self._tensor("serving_default", tile)
        if not np.isfinite(result).all():
            raise ServingError(f"{self._url}: an image came back with pixels that are no numbers")
        return result

    def _integers(self, tile: np.ndarray) -> np.ndarray:
        return self._tensor("uint8", tile)

    def _tensor(self, signature: str, tile: np.ndarray) -> np.ndarray:
        answer = self._transport.predict(signature, "image", tile[None], tile.size)
        if answer.shape[:1] != (1,):
            raise ServingError(f"{self._url}: wanted one {tile.dtype} image; got {answer.dtype} {answer.shape}")
        if answer.shape[1:] != tile.shape:
            raise ServingError(f"{self._url}: an image of {tile.shape} came back as {answer.shape[1:]}")
        return answer[0]

    def _by_file_of_as_many(self, tile: np.ndarray) -> np.ndarray:
        """As `_by_file`, where the channels must be those of the image."""
        result = self._by_file(tile)
        if result.shape != tile.shape:
            raise ValueError(f"an image of {tile.shape[-1]} channels came back as {result.shape}: the model has others")
        return result

    def _by_file(self, tile: np.ndarray) -> np.ndarray:
        """[H, W, C] -> [H, W, channels of the model], as PNG files."""
        tile = tile.astype(tile.dtype.newbyteorder("="), copy=False)
        data = self._file(pictures.png(tile), pictures.answer_bytes(*tile.shape[:2]))
        try:
            return pictures.from_png(data, tile)
        except ValueError as error:
            raise ServingError(f"{self._url}: {error}") from error

    def _file(self, data: bytes, most: int) -> bytes:
        answer = self._transport.predict("encoded", "image_bytes", np.array([data], dtype=object), most)
        if answer.shape != (1,) or not answer[0].startswith(pictures.PNG):
            raise ServingError(f"{self._url}: wanted a PNG, and got {answer.dtype} of shape {answer.shape}")
        return answer[0]
