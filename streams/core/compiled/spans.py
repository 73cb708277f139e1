"""Texts that lie anywhere in an array of bytes, by where each starts and how long it is."""

from __future__ import annotations

from typing import Any

from streams.core.compiled.compiling import compiled, pointer


@compiled
def gather(content: Any, starts: Any, sizes: Any, gathered: Any) -> None:
    """Copy texts out of `content`, one behind the other; those of negative sizes are none."""
    text, target = pointer(content), pointer(gathered)
    end = 0
    for place in range(len(starts)):
        first, size = starts[place], sizes[place]
        for at in range(size):
            target[end + at] = text[first + at]
        end += max(size, 0)
