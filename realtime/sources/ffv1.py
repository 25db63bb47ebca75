"""Checks FFV1 packets: each slice ends with a checksum (RFC 9043, section 4.9).

FFmpeg's decoder checks it too, but only logs the result, and returns a damaged picture as a good
one with any `err_detect` (libavcodec/ffv1dec.c, FFmpeg 8).
"""

import zlib

_FOOTER = 8
"""Bytes: size of the slice before it, 3; error status, 1; checksum, 4."""
# zlib's CRC-32 is the same polynomial, but takes the lowest bit of a byte first, and begins with
# and ends on the complement; RFC 9043 begins with 0 and ends on 0 (section 4.9.3).
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ZERO = 0xFFFFFFFF


def is_whole(packet: bytes) -> bool:
    """Return whether every slice of the picture in `packet` is undamaged. The stream must have
    checksums (version 3, `ec` 1), as in sessions."""
    end = len(packet)
    while end >= _FOOTER:
        size_at = end - _FOOTER
        begin = size_at - int.from_bytes(packet[size_at : size_at + 3], "big")
        if begin < 0 or zlib.crc32(packet[begin:end].translate(_MIRRORED), _ZERO) != _ZERO:
            return False
        end = begin
    return bool(packet) and end == 0
