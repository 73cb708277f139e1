"""Faust's consumer, kept to what it is good at: membership, assignment and commits.

The usage topic is subscribed, so Faust's assignor deals out its partitions together with the
table's; but its records are read by `streams.reader`, and only offsets that are durable in
ClickHouse are ever committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from schemas.topics import USAGE

_FETCH_WAIT_MS = 200
Revoked = Callable[[], Awaitable[None]]


class _PausingListener(driver.ConsumerRebalanceListener):  # type: ignore[misc]
    """Pauses the usage topic in aiokafka itself, so that nothing of it is prefetched."""

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        usage = [tp for tp in assigned if tp.topic == USAGE]
        self._thread._ensure_consumer().pause(*usage)
        await super().on_partitions_assigned(assigned)


class _PromptThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Fetches with a short wait: what a rebalance asks the broker stands in line behind a fetch."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS  # Faust gives 1500, whatever its settings
        return consumer


class DurableConsumer(driver.Consumer):  # type: ignore[misc]
    """Commits `durable` offsets and nothing else; tells `before_revoke` first of all."""

    RebalanceListener: ClassVar[Any] = _PausingListener

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.durable: dict[TP, int] = {}

    def _new_consumer_thread(self) -> Any:
        return _PromptThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the reader and forget the generation before Faust does anything else."""
        self.durable.clear()
        await self.app.before_revoke()
        await super().on_partitions_revoked(revoked)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        others = {tp for tp in active_partitions or () if tp.topic != USAGE}
        if not others:
            await asyncio.sleep(timeout)
            return {}
        return await super()._getmany(others, timeout)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterable[TP]:
        return list(self.durable)

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        offsets = {tp: self.durable[tp] for tp in tps if tp in self.durable}
        return {tp: offset for tp, offset in offsets.items() if self._should_commit(tp, offset)}

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own watch over acks, of which there are none here."""


class DurableTransport(driver.Transport):  # type: ignore[misc]
    """aiokafka's transport with our consumer."""

    Consumer: ClassVar[Any] = DurableConsumer
