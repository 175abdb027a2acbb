"""Tags and directories of TIFFs, read by hand: values of any type, size and byte order."""

import struct

import numpy as np
import pytest
import tifffile

from n2n_tf.formats import readers
from n2n_tf.formats.tiff.writer import write_tiff

RNG = np.random.default_rng(0)


def rewritten(path):
    target = path.with_name("new" + path.name)
    write_tiff(str(path), target, ((page.number, readers.read(page)) for page in readers.pages(path)))
    return target


def test_geotiff_and_private_tags_are_kept(tmp_path):
    path = tmp_path / "a.tif"
    tags = [
        (33550, 12, 3, (1.0, 2.0, 0.0), True),
        (34735, 3, 4, (1, 1, 0, 0), True),
        (42113, 2, 0, "-9999", True),
        (51123, 2, 0, '{"a": 1}', True),
        (65001, 4, 2, (7, 8), True),
        (65002, 10, 2, (-1, 3, 2, 7), True),
        (65003, 5, 1, (2**32 - 1, 3), True),
        (65004, 7, 5, b"bytes", True),
    ]
    tifffile.imwrite(path, RNG.integers(0, 255, (8, 9, 3), np.uint8), photometric="rgb", metadata=None, extratags=tags)
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(rewritten(path)) as new:
        np.testing.assert_array_equal(new.asarray(), old.asarray())
        for code in (tag[0] for tag in tags):
            assert new.pages[0].tags[code].value == old.pages[0].tags[code].value
        assert new.geotiff_metadata == old.geotiff_metadata


def test_tags_of_the_old_files_pixels_and_places_are_not_kept(tmp_path):
    path, codes = tmp_path / "a.tif", (37724, 50454, 65426)
    kinds = dict.fromkeys(codes, (7, 6, b"places"))
    kinds[50454] = (13, 1, 8)  # a pointer to a directory, which would point anywhere
    with tifffile.TiffWriter(path) as writer:
        tags = [(code, *kind, True) for code, kind in kinds.items()]
        writer.write(RNG.integers(0, 9, (8, 9), np.uint8), photometric="minisblack", metadata=None, extratags=tags)
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(rewritten(path)) as new:
        assert set(codes) <= {tag.code for tag in old.pages[0].tags}
        assert not set(codes) & {tag.code for tag in new.pages[0].tags}


class Layout:
    """A TIFF's directories, written and read by hand."""

    def __init__(self, endian, big):
        self.endian, self.word, self.count = endian, *((8, "Q") if big else (4, "H"))
        self.entry = endian + ("HHQ8s" if big else "HHI4s")

    def number(self, value):
        return struct.pack(self.endian + {4: "I", 8: "Q"}[self.word], value)

    def written(self, entries, begin):
        """Bytes of a directory at `begin`; entries are (code, type, count, bytes)."""
        after = begin + struct.calcsize(self.count) + len(entries) * struct.calcsize(self.entry) + self.word
        head, tail = struct.pack(self.endian + self.count, len(entries)), b""
        for code, kind, count, data in entries:
            place = data if len(data) <= self.word else self.number(after + len(tail))
            tail += b"" if len(data) <= self.word else data + bytes(len(data) % 2)
            head += struct.pack(self.entry, code, kind, count, place.ljust(self.word, b"\0"))
        return head + bytes(self.word) + tail

    def read(self, file, begin):
        """{code: (type, count, bytes)}; where values lie, on even places as TIFF 6.0 wants."""
        sizes, found = {2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 13: 4, 18: 8}, {}
        assert begin % 2 == 0
        (count,) = struct.unpack_from(self.endian + self.count, file, begin)
        begin += struct.calcsize(self.endian + self.count)
        for each in range(count):
            code, kind, number, data = struct.unpack_from(self.entry, file, begin + each * struct.calcsize(self.entry))
            size = sizes[kind] * number
            if size > self.word:
                place = int.from_bytes(data, {"<": "little", ">": "big"}[self.endian])
                assert place % 2 == 0
                data = file[place : place + size]
            found[code] = kind, number, data[:size]
        return found


def packed(layout, form, *values):
    return struct.pack(layout.endian + form, *values)


def directories(layout):
    """EXIF, GPS and the one inside EXIF: values inside the entry and outside, of just its size, of odd sizes."""
    exif = [
        (33434, 5, 1, packed(layout, "2I", 1, 125)), (34855, 3, 1, packed(layout, "H", 800)),
        (36867, 2, 20, b"2026:01:02 03:04:05\0"), (37121, 7, 4, b"\1\2\3\0"),
        (37380, 10, 1, packed(layout, "2i", -1, 3)), (37393, 4, 1, packed(layout, "I", 70000)),
        (37500, 7, 13, b"thirteen odd "), (37510, 4, 2, packed(layout, "2I", 5, 6)),
        (37520, 10, 2, packed(layout, "4i", -1, 3, -2, 7)),
    ]  # fmt: skip
    gps = [(1, 2, 2, b"N\0"), (2, 5, 3, packed(layout, "6I", 48, 1, 8, 1, 61, 2))]
    return exif, gps, [(1, 2, 4, b"R98\0")]


def write_with_directories(path, layout):
    """A TIFF to which they are appended; the entries that the writer made for other tags become pointers to them."""
    tags = [(code - 1, 16 if layout.word == 8 else 4, 1, bytes(layout.word), False) for code in (34665, 34853)]
    with tifffile.TiffWriter(path, byteorder=layout.endian, bigtiff=layout.word == 8) as writer:
        writer.write(RNG.integers(0, 9, (8, 9), np.uint8), photometric="minisblack", metadata=None, extratags=tags)
    with tifffile.TiffFile(path) as tiff:
        places = [tiff.pages[0].tags[code - 1].offset for code in (34665, 34853)]
    exif, gps, inside = directories(layout)
    kind = 18 if layout.word == 8 else 13
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        file.write(layout.written(inside, end))
        for code, entries, place in ((34665, [*exif, (40965, kind, 1, layout.number(end))], places[0]),
                                     (34853, gps, places[1])):  # fmt: skip
            begin = file.seek(0, 2)
            file.write(layout.written(entries, begin))
            file.seek(place)
            file.write(struct.pack(layout.entry, code, kind, 1, layout.number(begin)))


@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_values_of_directories_of_any_size_are_kept(endian, big, tmp_path):
    layout, order = Layout(endian, big), {"<": "little", ">": "big"}[endian]
    write_with_directories(tmp_path / "a.tif", layout)
    target = rewritten(tmp_path / "a.tif")
    with tifffile.TiffFile(target) as new:
        places = [new.pages[0].tags[code].offset for code in (34665, 34853)]
        assert new.pages[0].tags[34665].value["ImageNumber"] == 70000
    data = target.read_bytes()
    ends = [place + struct.calcsize(layout.entry) for place in places]
    begins = [int.from_bytes(data[end - layout.word : end], order) for end in ends]
    exif, gps = (layout.read(data, begin) for begin in begins)
    inside = layout.read(data, int.from_bytes(exif.pop(40965)[2], order))
    for found, entries in zip((exif, gps, inside), directories(layout), strict=True):
        assert found == {code: tuple(rest) for code, *rest in entries}
