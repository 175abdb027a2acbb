"""OME-Zarr images, written by zarr itself."""

import json

import numpy as np
import pytest

zarr = pytest.importorskip("zarr", reason="zarr 3 wants Python 3.11: pip install n2n-tf[zarr]")
pytest.importorskip("fsspec", reason="pip install n2n-tf[zarr]")

RNG = np.random.default_rng(0)
NAMES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def pixels(*shape, dtype="uint16", most=60000):
    return (RNG.random(shape) * most).astype(dtype)


def write_image(path, data, version=3, axes=None, levels=3, smaller=2, **array):
    """An image whose smaller levels hold every `smaller`th pixel of Y and X, so no means; path may be a URL."""
    axes = axes or "tczyx"[-data.ndim :]
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    datasets, level = [], data
    for number in range(levels):
        names = {"dimension_names": list(axes)} if version == 3 else {}
        stored = group.create_array(str(number), shape=level.shape, dtype=level.dtype, **names, **array)
        stored[...] = level
        stored.attrs["note"] = f"level {number}"
        scale = [1.0] * (data.ndim - 2) + [0.5 * smaller**number] * 2
        datasets.append({"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        level = level[..., ::smaller, ::smaller]
    image = {
        "axes": [{"name": name, "type": NAMES[name]} for name in axes], "datasets": datasets, "name": "cells",
        "coordinateTransformations": [{"type": "scale", "scale": [0.1] + [1.0] * (data.ndim - 1)}],
    }  # fmt: skip
    omero = {"channels": [{"label": "DAPI", "color": "0000FF", "window": {"min": 0, "max": 4095}}]}
    if version == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image], "omero": omero}
    else:
        group.attrs.update({"multiscales": [{**image, "version": "0.4"}], "omero": omero})
    group.attrs["instrument"] = {"kept": True}
    return path


def change(path, edit, name=None):
    """Edit a JSON document of a group in place."""
    file = path / (name or ("zarr.json" if (path / "zarr.json").exists() else ".zattrs"))
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))


def documents(path):
    """All metadata of a group on disk, by name."""
    names = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata")
    files = (file for file in path.rglob("*") if file.name in names)
    return {str(file.relative_to(path)): json.loads(file.read_text()) for file in files}


def chunk_files(path):
    """Inode and time of writing of each file of pixels."""
    names = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata")
    files = (file for file in path.rglob("*") if file.is_file() and file.name not in names)
    return {str(f.relative_to(path)): (f.stat().st_ino, f.stat().st_mtime_ns) for f in files}
