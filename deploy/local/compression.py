"""HTTP content codings of ClickHouse's interface: lz4 frames, zstd, gzip and deflate.

A client may send a body as several frames one after another (clickhouse-connect sends one per
block), which is why every decoder here goes on until the input is used up.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Encoder(Protocol):
    """Encodes an answer piece by piece; `flush` ends the one frame that they form."""

    def compress(self, data: Any, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Identity:
    def compress(self, data: Any, /) -> bytes:
        return data  # type: ignore[no-any-return]

    def flush(self) -> bytes:
        return b""


class _Lz4Encoder:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._frame.begin()

    def compress(self, data: Any, /) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return self._head + bytes(self._frame.flush())


def _decode_lz4(data: bytes) -> bytes:
    parts = []
    while data:
        frame = lz4.frame.LZ4FrameDecompressor()
        parts.append(frame.decompress(data))
        if not frame.eof:
            raise ValueError("the lz4 frame is cut short")
        data = frame.unused_data or b""
    return b"".join(parts)


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": _decode_lz4,
    "zstd": zstd.decompress,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}
_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "": _Identity,
    "lz4": _Lz4Encoder,
    "zstd": zstd.ZstdCompressor,
    "gzip": lambda: zlib.compressobj(1, zlib.DEFLATED, 31),
    "deflate": lambda: zlib.compressobj(1),
}


def decode(data: bytes, coding: str) -> bytes:
    """The body behind `Content-Encoding: coding` (empty: as it is).

    Raises ValueError for an unknown coding or a damaged body.
    """
    if coding in ("", "identity"):
        return data
    if coding not in _DECODERS:
        raise ValueError(f"the content encoding {coding!r} is not supported")
    try:
        return _DECODERS[coding](data)
    except (RuntimeError, OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        raise ValueError(f"the {coding} body is damaged: {error}") from error


def negotiate(accepted: str) -> str:
    """The coding to answer with: the first one in `Accept-Encoding` that is known, or ''."""
    codings = (item.split(";")[0].strip().lower() for item in accepted.split(","))
    return next((coding for coding in codings if coding in _ENCODERS), "")


def encoder(coding: str) -> Encoder:
    """A new encoder for one answer in a coding that `negotiate` returned."""
    return _ENCODERS[coding]()
