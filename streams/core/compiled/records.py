"""Records as librdkafka leaves them in its memory: `rd_kafka_message_t`, by their addresses."""

from __future__ import annotations

from typing import Any

from streams.core.compiled.compiling import bytes_at, compiled, integers_at, pointer

COLUMNS = (
    "error",
    "partition",
    "offset",
    "timestamp",
    "value_at",
    "value_size",
    "key_at",
    "key_size",
)
"""What `describe` says of a record; the size of a text that is not there is −1."""

# Where the members of the struct lie, in units of eight bytes; the first and the third of them are
# integers of four bytes with padding behind.
_ERROR, _PARTITION, _VALUE, _VALUE_SIZE, _KEY, _KEY_SIZE, _OFFSET = 0, 2, 3, 4, 5, 6, 7


@compiled
def describe(messages: Any, timestamp_of: Any, columns: Any) -> None:
    """Set a row of `columns` for each of `COLUMNS`, an entry a message."""
    count, column = len(messages), pointer(columns)
    for place in range(count):
        message = integers_at(messages[place])
        column[place] = message[_ERROR] << 32 >> 32
        column[count + place] = message[_PARTITION] << 32 >> 32
        column[2 * count + place] = message[_OFFSET]
        column[3 * count + place] = timestamp_of(messages[place], 0)
        value, key = message[_VALUE], message[_KEY]
        column[4 * count + place] = value
        column[5 * count + place] = message[_VALUE_SIZE] if value else -1
        column[6 * count + place] = key
        column[7 * count + place] = message[_KEY_SIZE] if key else -1


@compiled
def copy_texts(addresses: Any, sizes: Any, content: Any) -> None:
    """Copy texts one behind the other; those of negative sizes are none."""
    target, end = pointer(content), 0
    for place in range(len(addresses)):
        text, size = bytes_at(addresses[place]), sizes[place]
        for at in range(size):
            target[end + at] = text[at]
        end += max(size, 0)


@compiled
def destroy(messages: Any, function: Any) -> None:
    """Give messages back to the library by its function."""
    for place in range(len(messages)):
        function(messages[place])
