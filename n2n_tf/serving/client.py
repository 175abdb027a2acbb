"""A denoiser behind TensorFlow Serving's API, as a Python object."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import imagecodecs
import numpy as np
from PIL import Image

from n2n_tf.config import lookup
from n2n_tf.inference.tiling import Span, kept, spans
from n2n_tf.serving.transport import SCHEMES, ServingError, Target

PNG = b"\x89PNG\r\n\x1a\n"  # begins each
PNG_CHANNELS = (1, 3)


class Client:
    """Denoise through a server: TensorFlow Serving, or anything with its API.

    Args:
        url: http://HOST:8501, https://HOST (REST), grpc://HOST:8500 or grpcs://HOST (gRPC, with TLS).
        model: its name on the server.
        version, label: which version; by default the highest one served.
        timeout: seconds for one request. Only an unavailable server is asked again, four times in all.
        headers: sent with each request, for instance {"Authorization": "Bearer ..."}.
        tile: side in pixels above which images are sent in overlapping tiles, a multiple of 32.
        halo: overlap on each side; the reach of the paper's U-Net, 128, unless the model card says otherwise.

    Raises:
        UsageError: a URL of another scheme.
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
    ):
        scheme = lookup(SCHEMES, urlsplit(url).scheme, f"scheme of {url}")
        if tile % 32 or halo % 32 or tile <= 2 * halo:
            raise ValueError(f"tile {tile}, halo {halo}: wanted multiples of 32, the tile larger than twice the halo")
        if version is not None and label is not None:
            raise ValueError(f"version {version} and label {label!r}: wanted one of them")
        self._transport = scheme(Target(url, model, version, label, timeout, dict(headers or {})))
        self._url, self._tile, self._halo = url, tile, halo
        self._sends_bytes = urlsplit(url).scheme.startswith("grpc")  # REST writes tensors as text

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
            ValueError: an array of another form, or other channels than the model's.
            OSError: the file cannot be read.
        """
        if isinstance(image, np.ndarray):
            return self._array(image)
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        large = self._decoded_if_large(data)
        if large is None:
            return self._files(np.array([data], dtype=object))
        return _png(self._in_tiles(large, self._by_file))

    def _decoded_if_large(self, data: bytes) -> np.ndarray | None:
        """[H, W, C] of a PNG or JPEG larger than a tile, without alpha; other files go to the server as they are."""
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                if max(image.size) <= self._tile or image.mode == "CMYK":
                    return None
                pixels = imagecodecs.png_decode(data) if image.format == "PNG" else np.asarray(image)
        except (OSError, SyntaxError, RuntimeError, Image.DecompressionBombError):  # the server says it better
            return None
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        return pixels[..., : pixels.shape[-1] - (pixels.shape[-1] in (2, 4))]

    def _files(self, files: np.ndarray) -> bytes:
        answer = self._transport.predict("encoded", "image_bytes", files)
        if answer.shape != (1,) or not isinstance(answer[0], bytes) or not answer[0].startswith(PNG):
            raise ServingError(f"{self._url}: wanted a PNG, and got {answer.dtype} of shape {answer.shape}")
        return answer[0]

    def _array(self, image: np.ndarray) -> np.ndarray:
        if image.ndim not in (2, 3) or 0 in image.shape:
            raise ValueError(f"the image has shape {image.shape}; wanted non-empty [H, W] or [H, W, C]")
        if image.dtype.newbyteorder("=") not in (np.uint8, np.uint16) and image.dtype.kind != "f":
            raise ValueError(f"the image is {image.dtype}; wanted uint8, uint16 or float: convert it")
        whole = image if image.ndim == 3 else image[..., None]
        return self._in_tiles(whole, self._one).astype(image.dtype, copy=False).reshape(image.shape)

    def _in_tiles(self, whole: np.ndarray, call: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """[H, W, C] through requests of at most a tile; the model may give other channels."""
        result = None
        for rows in self._spans(whole.shape[0]):
            for columns in self._spans(whole.shape[1]):
                part = whole[rows.start : rows.stop, columns.start : columns.stop]
                tile = call(part)
                channels = tile.shape[-1:] if result is None else result.shape[-1:]
                if tile.shape != (*part.shape[:2], *channels):
                    raise ServingError(f"{self._url}: an image of {part.shape} came back as {tile.shape}")
                if tile.dtype.kind == "f" and not np.isfinite(tile).all():
                    raise ServingError(f"{self._url}: an image came back with pixels that are no numbers")
                if result is None:
                    result = np.empty((*whole.shape[:2], *channels), tile.dtype)
                in_image, in_tile = kept(rows, columns)
                result[in_image] = tile[in_tile]
        assert result is not None
        return result

    def _spans(self, length: int) -> list[Span]:
        """Tiles aligned to the network's cells; the last one ends with the image, where the server pads it."""
        return spans(-(-length // 32) * 32, self._tile, self._halo)

    def _one(self, tile: np.ndarray) -> np.ndarray:
        """[H, W, C] -> the same, in one request, by the signature that suits it."""
        if tile.dtype.kind == "f":
            return self._tensor("serving_default", tile.astype(np.float32))
        tile = tile.astype(tile.dtype.newbyteorder("="), copy=False)
        if tile.dtype == np.uint8 and (self._sends_bytes or tile.shape[-1] not in PNG_CHANNELS):
            return self._tensor("uint8", tile)
        if tile.shape[-1] not in PNG_CHANNELS:
            raise ValueError(f"{tile.shape[-1]} channels of 16 bits; wanted 1 or 3, or floats")
        result = self._by_file(tile)
        if result.shape != tile.shape:
            raise ValueError(f"an image of {tile.shape[-1]} channels came back as {result.shape}: the model has others")
        return result

    def _by_file(self, tile: np.ndarray) -> np.ndarray:
        """[H, W, C] -> [H, W, channels of the model], as PNG files."""
        try:
            result = imagecodecs.png_decode(self._files(np.array([_png(tile)], dtype=object)))
        except (imagecodecs.PngError, ValueError) as error:  # its own text may be no UTF-8
            raise ServingError(f"{self._url}: its PNG cannot be decoded: {error}") from error
        return result if result.ndim == 3 else result[..., None]

    def _tensor(self, signature: str, tile: np.ndarray) -> np.ndarray:
        answer = self._transport.predict(signature, "image", tile[None])
        if answer.shape[:1] != (1,) or answer.dtype != tile.dtype:
            raise ServingError(f"{self._url}: wanted one {tile.dtype} image; got {answer.dtype} {answer.shape}")
        return answer[0]


def _png(image: np.ndarray) -> bytes:
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)))
