"""librdkafka's consumer by its C functions: what was read becomes columns, not objects.

confluent-kafka brings the library, and makes a Python object of every record, which takes several
times as long as reading it. Here compiled loops take records out of the library's memory at once.
Only functions and the one struct of its public header (`rdkafka.h`) are used, of which releases
promise to stay compatible.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import CFUNCTYPE, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p
from typing import Any, NamedTuple

import confluent_kafka.cimpl
import numpy as np
from confluent_kafka import KafkaError, KafkaException

from streams.core.columns import Ints, Texts
from streams.core.compiled.records import COLUMNS, copy_texts, describe, destroy

_CONSUMER = 1
_CONF_OK = 0
_ERROR_BYTES = 512


def _library() -> Any:
    """The library that confluent-kafka is linked to: its symbols are those of the extension."""
    library = ctypes.CDLL(confluent_kafka.cimpl.__file__)
    for name, result, *arguments in (
        ("conf_new", c_void_p),
        ("conf_set", c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t),
        ("new", c_void_p, c_int, c_void_p, c_char_p, c_size_t),
        ("poll_set_consumer", c_int, c_void_p),
        ("queue_get_consumer", c_void_p, c_void_p),
        ("topic_partition_list_new", c_void_p, c_int),
        ("topic_partition_list_add", c_void_p, c_void_p, c_char_p, c_int32),
        ("topic_partition_list_set_offset", c_int, c_void_p, c_char_p, c_int32, c_int64),
        ("topic_partition_list_destroy", None, c_void_p),
        ("assign", c_int, c_void_p, c_void_p),
        ("consume_batch_queue", ctypes.c_ssize_t, c_void_p, c_int, c_void_p, c_size_t),
        ("queue_destroy", None, c_void_p),
        ("consumer_close", c_int, c_void_p),
        ("destroy", None, c_void_p),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library


_LIBRARY = _library()
_timestamp_of = ctypes.cast(
    _LIBRARY.rd_kafka_message_timestamp, CFUNCTYPE(c_int64, c_int64, c_int64)
)
_destroy = ctypes.cast(_LIBRARY.rd_kafka_message_destroy, CFUNCTYPE(None, c_int64))


class Records(NamedTuple):
    """Consecutive records of one partition."""

    partition: int
    offsets: Ints
    keys: Texts
    values: Texts
    timestamps: Ints


class Failure(NamedTuple):
    """What librdkafka says instead of a record."""

    partition: int
    offset: int
    error: KafkaError


class RawConsumer:
    """A consumer of given partitions, used by one thread; commits nothing and joins no group."""

    def __init__(self, settings: Mapping[str, str | int], at_once: int) -> None:
        self._handle = _new(settings)
        _LIBRARY.rd_kafka_poll_set_consumer(self._handle)
        self._queue = _LIBRARY.rd_kafka_queue_get_consumer(self._handle)
        self._messages: Ints = np.zeros(at_once, np.int64)

    def assign(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Read these partitions of a topic, each from its offset, and nothing else."""
        name = topic.encode()
        places = _LIBRARY.rd_kafka_topic_partition_list_new(len(offsets))
        try:
            for partition, offset in offsets.items():
                _LIBRARY.rd_kafka_topic_partition_list_add(places, name, partition)
                _LIBRARY.rd_kafka_topic_partition_list_set_offset(places, name, partition, offset)
            _check(_LIBRARY.rd_kafka_assign(self._handle, places))
        finally:
            _LIBRARY.rd_kafka_topic_partition_list_destroy(places)

    def unassign(self) -> None:
        """Read nothing."""
        _check(_LIBRARY.rd_kafka_assign(self._handle, None))

    def consume(self, timeout_s: float) -> tuple[list[Records], list[Failure]]:
        """What has arrived since the last call, by partition; waits no longer than that."""
        count = _LIBRARY.rd_kafka_consume_batch_queue(
            self._queue, round(timeout_s * 1000), self._messages.ctypes.data, len(self._messages)
        )
        if count < 0:
            raise KafkaException(KafkaError(KafkaError._FAIL, "records cannot be read"))
        return self._taken(count)

    def close(self) -> None:
        """Give everything back; the consumer is not used again."""
        _LIBRARY.rd_kafka_consumer_close(self._handle)
        _LIBRARY.rd_kafka_queue_destroy(self._queue)
        _LIBRARY.rd_kafka_destroy(self._handle)

    def _taken(self, count: int) -> tuple[list[Records], list[Failure]]:
        """The first messages as columns; the library has its memory back afterwards."""
        messages = self._messages[:count]
        columns = np.empty((len(COLUMNS), count), np.int64)
        describe(messages, _timestamp_of, columns)
        try:
            errors, partitions = columns[:2]
            failures = [
                _failure(columns[:, place]) for place in np.flatnonzero(errors != 0).tolist()
            ]
            found = [
                _records(columns[:, (partitions == partition) & (errors == 0)])
                for partition in np.unique(partitions[errors == 0]).tolist()
            ]
        finally:
            destroy(messages, _destroy)
        return found, failures


def compile_loops() -> None:
    """Have the loops of this module ready before records wait for them."""
    none = np.zeros(0, np.int64)
    describe(none, _timestamp_of, np.zeros((len(COLUMNS), 0), np.int64))
    copy_texts(none, none, np.zeros(0, np.uint8))
    destroy(none, _destroy)


def _records(columns: Ints) -> Records:
    """Records of one partition from the columns that `describe` made of them."""
    _, partitions, offsets, timestamps, *texts = columns
    return Records(int(partitions[0]), offsets, _texts(*texts[2:]), _texts(*texts[:2]), timestamps)


def _texts(addresses: Ints, sizes: Ints) -> Texts:
    present = np.maximum(sizes, 0)
    content = np.empty(int(present.sum()), np.uint8)
    copy_texts(addresses, sizes, content)
    return Texts(content, np.cumsum(present) - present, sizes)


def _failure(columns: Ints) -> Failure:
    code, partition, offset, _, text_at, size, *_ = columns.tolist()
    text = ctypes.string_at(text_at, size).decode(errors="replace") if size > 0 else None
    return Failure(partition, offset, KafkaError(code, text, code == KafkaError._FATAL))


def _new(settings: Mapping[str, str | int]) -> int:
    error = ctypes.create_string_buffer(_ERROR_BYTES)
    configuration = _LIBRARY.rd_kafka_conf_new()
    for name, value in settings.items():
        text = str(value).encode()
        if (
            _LIBRARY.rd_kafka_conf_set(configuration, name.encode(), text, error, _ERROR_BYTES)
            != _CONF_OK
        ):
            raise ValueError(error.value.decode())
    handle = _LIBRARY.rd_kafka_new(_CONSUMER, configuration, error, _ERROR_BYTES)
    if not handle:
        raise ValueError(error.value.decode())
    return int(handle)


def _check(code: int) -> None:
    if code:
        raise KafkaException(KafkaError(code))
