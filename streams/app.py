"""The Faust app: membership, assignment, the table of working sets, the agents."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Protocol

import faust
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from schemas.topics import USAGE
from streams.consumer import DurableTransport
from streams.settings import WorkerSettings
from streams.working_set import WorkingSet

_DAYS_S = 7 * 86_400.0


class Hooks(Protocol):
    """What the app calls on its worker."""

    async def before_revoke(self) -> None: ...

    async def on_assigned(self) -> None: ...

    async def fold(self, chunk: Any) -> None: ...

    async def read(self) -> None: ...

    async def flush(self) -> None: ...


class UsageApp(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer commits durable offsets only."""

    before_revoke: Any

    def _new_transport(self) -> Any:
        return DurableTransport(self.conf.broker_consumer, self)

    def FlowControlQueue(self, maxsize: int | None = None, **_: Any) -> Any:  # noqa: N802
        """A queue that a rebalance neither holds up nor empties.

        Faust empties its queues without waking whoever waits for room in them: a reader that
        waited during a rebalance would wait for ever. What is in the queue of an assignment that
        ended is dropped where it would be folded.
        """
        return ThrowableQueue(maxsize, flow_control=FlowControlEvent(initially_suspended=False))


def create_app(settings: WorkerSettings, hooks: Hooks, partitions: int) -> UsageApp:
    """Build the app for a usage topic of `partitions`.

    Values that differ from Faust's defaults: no web server (it listens on every address without
    a login), no changelog writes and no standbys (ClickHouse is the state of record), days for the
    poll interval (a consumer that is idle for longer leaves the group for good; readiness is
    watched instead).
    """
    scratch = Path(tempfile.gettempdir()) / f"{settings.consumer_group}-faust"
    app = UsageApp(
        settings.consumer_group,
        broker=f"aiokafka://{settings.bootstrap_servers.replace(',', ';aiokafka://')}",
        store="memory://",
        datadir=str(scratch),
        web_enabled=False,
        topic_partitions=partitions,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        table_standby_replicas=0,
        # How often is looked whether there is anything to commit, which there is after a flush.
        broker_commit_interval=0.2,
        broker_max_poll_interval=_DAYS_S,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 6,
        broker_request_timeout=30.0,
        producer_request_timeout=30.0,
        consumer_group_instance_id=settings.instance_id,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        logging_config=None,
    )
    app.before_revoke = hooks.before_revoke
    usage = app.topic(USAGE, key_serializer="raw", value_serializer="raw", internal=False)
    app.working_sets = app.Table(
        "working-set", partitions=partitions, on_recover=hooks.on_assigned, store="memory://"
    )
    app.chunks = app.channel(maxsize=4)

    @app.agent(usage, name="membership")  # type: ignore[untyped-decorator]
    async def membership(records: Any) -> None:
        """Subscribes the usage topic so that its partitions are assigned; gets no record."""
        async for _ in records:
            raise AssertionError("the usage topic is read by streams.reader")

    @app.agent(app.chunks, name="fold")  # type: ignore[untyped-decorator]
    async def fold(chunks: Any) -> None:
        async for chunk in chunks:
            await hooks.fold(chunk)

    @app.task  # type: ignore[untyped-decorator]
    async def read() -> None:
        await hooks.read()

    @app.task  # type: ignore[untyped-decorator]
    async def flush() -> None:
        await hooks.flush()

    return app


def working_sets(app: UsageApp) -> dict[int, WorkingSet]:
    """The app's table of working sets by partition: its memory store, without a changelog."""
    sets: dict[int, WorkingSet] = app.working_sets.data.data
    return sets
