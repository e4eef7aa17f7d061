"""PNG, as far as the pictures need it: fewer colours, so that they stay small, and the digest of their text in them.

Source: PNG specification (W3C), sections 5 (chunks), 9 (filters) and 11.3.3 (`tEXt`).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Steps of each of red, green and blue that are left: enough for text and lines.
STEPS = 16
_NAME = b"Source\0"


def drawn_from(png: bytes, text: str) -> bytes:
    """The picture with at most `STEPS` steps of each colour, and with the digest of the text that it was drawn from.

    Args:
        png: as Chromium writes it: 8 bits for each of red, green, blue and perhaps alpha, not interlaced.
        text: of which it is a picture.

    Raises:
        ValueError: it is another kind of picture, or one of too many colours.
    """
    chunks = list(_chunks(png))
    width, height, depth, colours, *_, interlaced = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    if depth != 8 or colours not in {2, 6} or interlaced:
        raise ValueError("not a picture as Chromium writes it")
    size = 4 if colours == 6 else 3
    data = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    palette: dict[bytes, int] = {}
    lines = [
        bytes(palette.setdefault(_coarse(line, at), len(palette)) for at in range(0, width * size, size))
        for line in _lines(data, width * size, size)
    ]
    if len(palette) > 256:
        raise ValueError("a picture of too many colours")
    return b"".join(
        [
            SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"tEXt", _NAME + _digest(text)),
            _chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def is_drawn_from(png: bytes, text: str) -> bool:
    """Whether it is a PNG that was drawn from this text."""
    return png.startswith(SIGNATURE) and (b"tEXt", _NAME + _digest(text)) in _chunks(png)


def _coarse(line: bytearray, at: int) -> bytes:
    return bytes(round(value * (STEPS - 1) / 255) * 255 // (STEPS - 1) for value in line[at : at + 3])


def _lines(data: bytes, length: int, size: int) -> Iterator[bytearray]:
    """Each line without its filter; `size` is how many bytes a pixel has."""
    above = bytearray(length)
    for start in range(0, len(data), length + 1):
        line = bytearray(data[start + 1 : start + 1 + length])
        for at in range(length):
            left, corner = (line[at - size], above[at - size]) if at >= size else (0, 0)
            line[at] = (line[at] + _predicted(data[start], left, above[at], corner)) & 255
        yield line
        above = line


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    """None, Sub, Up, Average, Paeth."""
    if kind == 4:
        guess = left + above - corner
        return min((left, above, corner), key=lambda one: abs(guess - one))
    return (0, left, above, (left + above) // 2)[kind]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).hexdigest().encode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE)
    while position + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, position)
        yield png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        position += length + 12
