"""A seeded log for a worker: messages, their duplicates, poison; and what must come of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.streams.conftest import PARTITIONS
from tests.streams.harness import Bench
from tests.streams.samples import event

Record = tuple[bytes, bytes]


class Traffic:
    """Sends parts of a log; remembers each message's sid and each poison's place."""

    def __init__(self, seed: int, users: int = 60, span_h: int = 40) -> None:
        self._seeded = random.Random(seed)
        self._users = users
        self._span_s = span_h * 3600
        self._now = datetime.now(UTC)
        self._sent: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        self._lengths = [0] * PARTITIONS
        self.sids: set[str] = set()
        self.poison: dict[tuple[int, int], Record] = {}

    def send(
        self, bench: Bench, count: int, duplicates: float = 0.05, poison: float = 0.01
    ) -> None:
        """Publish so many records, of which these shares are duplicates (of any age) and poison."""
        parts: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        for _ in range(count):
            partition, record = self._next(duplicates, poison)
            parts[partition].append(record)
        for partition, records in enumerate(parts):
            bench.send(*records, partition=partition)

    def _next(self, duplicates: float, poison: float) -> tuple[int, Record]:
        kind = self._seeded.random()
        user = self._seeded.randint(1, self._users)
        partition, key = user % PARTITIONS, str(user).encode()
        place = (partition, self._lengths[partition])
        self._lengths[partition] += 1
        if kind < poison:
            self.poison[place] = record = (key, b'{"poison": %d' % len(self.poison))
        elif kind < poison + duplicates and self._sent[partition]:
            record = self._seeded.choice(self._sent[partition])
        else:
            sid = f"SM{len(self.sids)}"
            self.sids.add(sid)
            record = (key, self._message(sid, user))
            self._sent[partition].append(record)
        return partition, record

    def _message(self, sid: str, user: int) -> bytes:
        ago = timedelta(seconds=self._seeded.randrange(self._span_s))
        return event(
            sid,
            user_id=user,
            occurred_at=(self._now - ago).isoformat(timespec="milliseconds"),
            direction=self._seeded.choice(["inbound", "outbound"]),
            status=self._seeded.choice([None, "failed"]),
            error_code=self._seeded.choice([None, 30003]),
            segments=self._seeded.randint(1, 3),
            processing_time_ms=self._seeded.choice([None, 5, 12.5, 250]),
            country_code=self._seeded.choice(["US", "DE", None]),
        )

    def parts(self, bench: Bench, count: int, size: int) -> Iterator[None]:
        """Publish `count` records, `size` at a time."""
        for _ in range(0, count, size):
            self.send(bench, size)
            yield

    def assert_folded(self, bench: Bench) -> None:
        """Every message is counted once and every poison lies in the DLQ, nothing else."""
        bench.assert_exact(self.sids)
        letters = bench.dead_letters()
        found = {place: (record.key(), record.value()) for place, (record, _) in letters.items()}
        assert found == self.poison
