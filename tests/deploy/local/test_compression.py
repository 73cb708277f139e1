"""Content codings: what clickhouse-connect sends and reads."""

from __future__ import annotations

import gzip
import zlib

import lz4.frame
import pytest

from deploy.local import compression

TEXT = b"usage " * 10_000


@pytest.mark.parametrize("coding", ["lz4", "zstd", "gzip", "deflate", ""])
def test_what_is_encoded_piece_by_piece_is_decoded_whole(coding: str) -> None:
    encoder = compression.encoder(coding)
    pieces = [encoder.compress(memoryview(TEXT)), encoder.compress(b"end"), encoder.flush()]
    assert compression.decode(b"".join(pieces), coding) == TEXT + b"end"


@pytest.mark.parametrize("coding", ["lz4", "zstd", "gzip", "deflate"])
def test_an_empty_answer_is_a_whole_frame(coding: str) -> None:
    assert compression.decode(compression.encoder(coding).flush(), coding) == b""


def test_a_body_may_be_several_frames() -> None:
    for coding, encode in {"lz4": lz4.frame.compress, "gzip": gzip.compress}.items():
        assert compression.decode(encode(TEXT) + encode(b"end"), coding) == TEXT + b"end"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("lz4", lz4.frame.compress(TEXT)[:-9]),
        ("lz4", b"no frame"),
        ("gzip", gzip.compress(TEXT)[:-9]),
        ("deflate", zlib.compress(TEXT)[:-9]),
        ("zstd", b"no frame"),
    ],
)
def test_a_damaged_body_is_refused(coding: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=coding):
        compression.decode(body, coding)


def test_an_unknown_coding_is_refused() -> None:
    with pytest.raises(ValueError, match="'br' is not supported"):
        compression.decode(b"", "br")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("lz4,zstd", "lz4"), ("br, GZIP;q=0.5", "gzip"), ("br", ""), ("", ""), ("identity", "")],
)
def test_the_first_known_coding_is_taken(accepted: str, coding: str) -> None:
    assert compression.negotiate(accepted) == coding
