"""OME-TIFFs in several files: each names the others, which thus have to be denoised with it."""

import os
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.table import FORMATS, format_of


def check_set(source: str, targets: Mapping[str, Path]) -> None:
    """Raise UnusableImageError if a result, read by its OME-XML, would show pixels that are not in it.

    Args:
        source: one of `targets`.
        targets: each file -> its result.
    """
    for name in sorted(named_files(source)):
        partner = os.path.normpath(Path(source).parent / name)
        if os.path.exists(partner) and targets.get(partner) != targets[source].parent / name:
            raise UnusableImageError(
                f"its OME-XML names {name} as a file of the image, beside it; denoise the whole set at once, into "
                "another folder, under the same names"
            )


def named_files(path: str) -> set[str]:
    """The files that a TIFF's OME-XML names as holding pixels, or the XML itself; the file's own name too."""
    if format_of(path) is not FORMATS["TIFF"]:
        return set()
    with tifffile.TiffFile(path) as tiff:
        text = tiff.ome_metadata
    try:
        tree = ElementTree.fromstring(text) if text else ElementTree.Element("none")
    except ElementTree.ParseError:  # then no reader finds files in it
        return set()
    wanted = {"UUID": "FileName", "BinaryOnly": "MetadataFile"}
    found = ((each, wanted.get(each.tag.rpartition("}")[2])) for each in tree.iter())
    return {each.attrib[key] for each, key in found if key and each.attrib.get(key)}
