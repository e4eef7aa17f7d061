"""Pictures with fewer colours are the same pictures."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.pictures.png import SIGNATURE, _chunk, _chunks, drawn_from, is_drawn_from

#: Two lines of three pixels in colours that stay as they are.
PIXELS = [
    [(255, 255, 255, 255), (0, 0, 0, 255), (17, 34, 51, 255)],
    [(255, 0, 0, 255), (0, 255, 0, 255), (255, 255, 255, 255)],
]


def _paeth(left: int, above: int, corner: int) -> int:
    distances = [(abs(left + above - corner - one), place, one) for place, one in enumerate((left, above, corner))]
    return min(distances)[2]


def _filtered(kind: int) -> bytes:
    """The lines as an encoder writes them with one of the five filters."""
    data = b""
    above = bytes(12)
    for pixels in PIXELS:
        line = bytes(value for pixel in pixels for value in pixel)
        data += bytes([kind])
        for at, value in enumerate(line):
            left, corner = (line[at - 4], above[at - 4]) if at >= 4 else (0, 0)
            guess = [0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner)][kind]
            data += bytes([(value - guess) % 256])
        above = line
    return data


def _png(data: bytes, depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", 3, 2, depth, 6, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_is_read(kind: int) -> None:
    """Each pixel keeps its colour, whichever filter its line came with."""
    chunks = dict(_chunks(drawn_from(_png(_filtered(kind)), "text")))
    palette = [tuple(chunks[b"PLTE"][at : at + 3]) for at in range(0, len(chunks[b"PLTE"]), 3)]
    lines = zlib.decompress(chunks[b"IDAT"])
    shown = [[palette[place] for place in lines[start + 1 : start + 4]] for start in (0, 4)]
    assert shown == [[pixel[:3] for pixel in line] for line in PIXELS]


def test_a_picture_knows_its_text() -> None:
    """And no other; what is no PNG knows none."""
    png = drawn_from(_png(_filtered(0)), "text")
    assert is_drawn_from(png, "text")
    assert not is_drawn_from(png, "text.")
    assert not is_drawn_from(b"GIF89a" + png, "text")


def test_another_kind_of_picture_is_refused() -> None:
    """Rather than drawn wrongly."""
    with pytest.raises(ValueError, match="not a picture"):
        drawn_from(_png(_filtered(0), depth=16), "text")
