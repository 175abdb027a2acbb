"""Files of microscopes' own formats that nobody else writes, after what is known of them; small, and of one image."""

import struct

import numpy as np

STACK = np.random.default_rng(0).integers(0, 65536, (2, 2, 3, 40, 50), np.uint16)  # T, C, Z, Y, X


def xml(name, value):
    """As NIS-Elements writes what it knows."""
    kinds = {int: "lx_uint32", float: "double", str: "CLxStringW"}
    if isinstance(value, dict):
        return f'<{name} runtype="CLxListVariant">{"".join(xml(*each) for each in value.items())}</{name}>'
    return f'<{name} runtype="{kinds[type(value)]}" value="{value}"/>'


def write_nd2(path):
    """STACK after what the package nd2 tells of the format: chunks with names, at last where each begins."""
    t, c, z, height, width = STACK.shape
    names = ("DAPI", "GFP")
    planes = {f"a{n}": {"sDescription": name, "pFluorescentProbe": {"m_sName": name}} for n, name in enumerate(names)}
    time = {"uiCount": t, "dStart": 0.0, "dPeriod": 1500.0, "dDuration": 1500.0}
    depth = {"eType": 4, "uLoopPars": {"uiCount": z, "dZStep": 0.5}}
    told = {
        "ImageAttributes!": {
            "uiWidth": width, "uiWidthBytes": width * c * 2, "uiHeight": height, "uiComp": c, "uiBpcInMemory": 16,
            "uiBpcSignificant": 16, "uiSequenceCount": t * z, "eCompression": 2,
        },
        "ImageMetadataSeq|0!": {
            "bCalibrated": 1, "dCalibration": 0.2, "sPicturePlanes": {"uiCount": c, "sPlaneNew": planes},
        },
        "ImageMetadata!": {"eType": 1, "uLoopPars": time, "ppNextLevelEx": {"i0000000000": depth}},
    }  # fmt: skip
    chunks = {name: xml("variant", tree).encode() for name, tree in told.items()}
    chunks["CustomData|AcqTimesCache!"] = np.arange(t * z, dtype=np.float64).tobytes()
    for number in range(t * z):  # the channels of a pixel are beside one another, behind 8 bytes of the time
        frame = np.moveaxis(STACK[number // z, :, number % z], 0, -1)
        chunks[f"ImageDataSeq|{number}!"] = bytes(8) + frame.tobytes()
    places = b""
    with open(path, "wb") as file:

        def chunk(name, data, reserved):
            begin = file.tell()
            file.write(struct.pack("<IIQ", 0x0ABECEDA, reserved, len(data)) + name.ljust(reserved, b"\0") + data)
            file.write(bytes(-file.tell() % 4096) if reserved > 32 else b"")
            return begin

        chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"), 32)
        for name, data in chunks.items():
            places += name.encode() + struct.pack("<QQ", chunk(name.encode(), data, 4072), len(data))
        end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", file.tell())
        chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places + end, 32)


def write_lif(path):
    """Planes of STACK[0] after Leica's public description: a header of XML, then one block of memory for the image."""
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" '
        f'Min="0" Max="65535" Unit="" LUTName="{name}" IsLUTInverted="0" BytesInc="{40 * 50 * 2 * number}" BitInc="0"/>'
        for number, name in enumerate(("Green", "Red"))
    )
    sizes = ((1, 50, 49e-7, 2), (2, 40, 39e-7, 100), (3, 3, 1e-6, 8000))
    dimensions = "".join(
        f'<DimensionDescription DimID="{axis}" NumberOfElements="{count}" Origin="0" Length="{length}" Unit="m" '
        f'BitInc="0" BytesInc="{step}"/>'
        for axis, count, length, step in sizes
    )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="a.lif" Visibility="1" CopyOption="1"><Data>'
        '<Experiment Path="a.lif"/></Data><Memory Size="0" MemoryBlockID="MemBlock_0"/><Children>'
        '<Element Name="Series 1" Visibility="1" CopyOption="1"><Data><Image TextDescription=""><ImageDescription>'
        f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{STACK[0].nbytes}" MemoryBlockID="MemBlock_1"/><Children/></Element>'
        "</Children></Element></LMSDataContainerHeader>"
    )
    name = "MemBlock_1"
    with open(path, "wb") as file:
        file.write(struct.pack("<IIBI", 0x70, 5 + 2 * len(xml), 0x2A, len(xml)) + xml.encode("utf-16-le"))
        for identity, data in (("MemBlock_0", b""), (name, STACK[0].swapaxes(0, 1).tobytes())):
            head = struct.pack("<BQBI", 0x2A, len(data), 0x2A, len(identity)) + identity.encode("utf-16-le")
            file.write(struct.pack("<II", 0x70, len(head)) + head + data)
