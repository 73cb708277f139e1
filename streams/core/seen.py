"""Which message sids were ever seen: no for sure, or perhaps; design section 2, duplicates.

A duplicate may come at any age, and is known by its sid alone. A split-block Bloom filter (Putze,
Sanders, Singler 2007; the variant of the Parquet format, 256-bit blocks, 8 bits per sid) answers
"never seen" from memory of a fixed size; the few others are looked up in `usage_log`. Fuller than
about 16 bits per sid it sends more look-ups, and stays right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]

_BLOCK_WORDS = 8
# Odd constants of the Parquet specification: one bit per 32-bit word of a block.
_SALT = np.array(
    [
        0x47B6137B,
        0x44974D91,
        0x8824AD5B,
        0xA2B7289D,
        0x705495C7,
        0x2DF1424B,
        0x9EFC4947,
        0x5C6BFB31,
    ],
    np.uint32,
)


def hashes_of(sids: Sequence[bytes]) -> Hashes:
    """xxHash64 of each sid, the same as ClickHouse's `xxHash64(message_sid)`."""
    return np.fromiter(map(xxhash.xxh64_intdigest, sids), np.uint64, len(sids))


class SidFilter:
    """Set of sid hashes in `megabytes` of memory, with false positives and no false negatives."""

    def __init__(self, megabytes: int) -> None:
        self._blocks = megabytes * 1024 * 1024 // (4 * _BLOCK_WORDS)
        self._words = np.zeros((self._blocks, _BLOCK_WORDS), np.uint32)

    def add(self, hashes: Hashes) -> None:
        """Remember these sids."""
        if not len(hashes):
            return
        blocks, masks = self._places(hashes)
        order = np.argsort(blocks)
        ordered = blocks[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        first, again = order[starts], np.delete(order, starts)
        self._words[blocks[first]] |= masks[first]
        for index in again.tolist():  # few: another sid of this batch fell into the same block
            self._words[blocks[index]] |= masks[index]

    def maybe(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """For each sid: False if it was certainly never added."""
        blocks, masks = self._places(hashes)
        present: npt.NDArray[np.bool_] = ((self._words[blocks] & masks) == masks).all(axis=1)
        return present

    def _places(self, hashes: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        blocks = ((hashes >> np.uint64(32)) % np.uint64(self._blocks)).astype(np.int64)
        low = hashes.astype(np.uint32)
        masks = np.uint32(1) << ((low[:, None] * _SALT) >> np.uint32(27))
        return blocks, masks
