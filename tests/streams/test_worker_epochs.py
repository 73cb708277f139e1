"""A worker that stops because its log is another one, the command for it, and exact totals after.

The tests share a broker, a database and a group, and run in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from typer.testing import CliRunner

from deploy.cli import app
from deploy.topics import create_missing_topics
from schemas.topics import USAGE, topics
from streams.decisions import Operator
from streams.errors import RefusedError
from streams.settings import WorkerSettings
from tests.streams import harness
from tests.streams.harness import Bench, until
from tests.streams.samples import event

pytestmark = pytest.mark.live

_NOW = datetime.now(UTC)


class Story:
    """A bench, what was sent to it and must be counted, and an operator at its terminal."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.admin = AdminClient({"bootstrap.servers": bench.broker})
        self.sids: set[str] = set()
        self._sent = 0

    def send(self, count: int, partition: int, *, lost: int = 0) -> list[tuple[bytes, bytes]]:
        """Publish new messages, the first of which will be lost."""
        numbers = range(self._sent, self._sent + count)
        self._sent += count
        records = [(b"7", _message(number)) for number in numbers]
        self.sids |= {f"SM{number}" for number in numbers[lost:]}
        self.bench.send(*records, partition=partition)
        return records

    def run(self) -> None:
        """Let a worker fold everything and stop; every message must be counted once."""
        self.start()
        self.bench.finish()
        self.bench.assert_exact(self.sids)
        assert self.bench.terminate() == 0

    def start(self) -> None:
        """Start a worker that leaves the group when it stops."""
        self.bench.start(INSTANCE_ID=None)

    def refuses(self) -> str:
        """What a worker says that does not go on."""
        self.start()
        return self.ends(1)

    def ends(self, status: int) -> str:
        """What the worker says that ends itself with this status."""
        until(lambda: self.bench.worker.exit_status is not None, "the worker goes on")
        assert self.bench.worker.exit_status == status, self.bench.output[-4000:]
        return self.bench.worker.last_line

    def epoch(self, *arguments: str) -> Result:
        """Run `sms-analytics epoch …`."""
        environment = {
            "SMS_KAFKA_URL": f"kafka://{self.bench.broker}",
            "SMS_CLICKHOUSE_URL": self.bench.url,
            "SMS_CONSUMER_GROUP": self.bench.group,
        }
        return CliRunner().invoke(app, ["epoch", *arguments], env=environment)

    def refused(self, *arguments: str) -> str:
        """Why a command is refused."""
        result = self.epoch(*arguments)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        return result.stderr

    def done(self, *arguments: str) -> list[str]:
        """What a command has done, line by line."""
        result = self.epoch(*arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout.splitlines()

    def decisions(self, command: str) -> list[tuple[int, int, int, str]]:
        """The audit of a command: source, next offset, unread records, reason."""
        rows = self.bench.rows(
            "SELECT source, next_offset, unread, reason FROM log_decision"
            f" WHERE command = '{command}' AND decided_by != '' ORDER BY decided_at, source"
        )
        return [tuple(row) for row in rows]

    def lose_before(self, partition: int, offset: int) -> None:
        """Have Kafka delete the records before an offset, as retention does."""
        lost = self.admin.delete_records([TopicPartition(USAGE, partition, offset)])
        for done in lost.values():
            done.result(10)

    def grow(self, partitions: int) -> None:
        """Give the topic more partitions behind the workers' back."""
        for done in self.admin.create_partitions([NewPartitions(USAGE, partitions)]).values():
            done.result(10)

    def make_anew(self, partitions: int) -> None:
        """Delete the topic with all that it holds and create it again."""
        for done in self.admin.delete_topics([USAGE], operation_timeout=30).values():
            done.result(30)
        create_missing_topics(self.bench.broker, topics(partitions))


def _message(number: int) -> bytes:
    at = (_NOW - timedelta(minutes=number)).isoformat(timespec="milliseconds")
    return event(f"SM{number}", occurred_at=at)


def _settings(bench: Bench) -> WorkerSettings:
    return WorkerSettings(
        kafka_url=f"kafka://{bench.broker}", clickhouse_url=bench.url, consumer_group=bench.group
    )


@pytest.fixture(scope="module")
def story(kafka: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with harness.bench(kafka, clickhouse, tmp_path_factory.mktemp("epochs")) as bench:
        yield Story(bench)


def test_before_anything_is_folded_there_is_nothing_to_go_on(story: Story) -> None:
    for command in ("next", "accept-gap"):
        assert "no worker has folded anything yet" in story.refused(command)


def test_retention_took_records_unread(story: Story) -> None:
    story.send(20, 0)
    story.send(10, 1)
    story.run()
    assert story.done("next") == [f"nothing to do: {USAGE} is as the workers left it"]
    assert story.done("accept-gap") == ["nothing to do: no record is gone unread"]
    story.send(30, 0, lost=12)
    story.lose_before(0, 32)
    said = story.refuses()
    assert "partition 0 of sms.usage.v1: the log begins at 32, so 12 records are gone" in said
    assert "`sms-analytics epoch accept-gap`" in said
    assert story.done("accept-gap", "--partition", "1")[0].startswith("nothing to do")
    assert story.done("accept-gap", "--reason", "a long outage") == [
        "partition 0 goes on at offset 32; 12 records are gone unread"
    ]
    assert story.decisions("epoch accept-gap") == [(0, 32, 12, "a long outage")]
    story.run()
    assert story.done("accept-gap") == ["nothing to do: no record is gone unread"]


def test_the_topic_grows(story: Story) -> None:
    waiting = story.send(15, 1)
    said = story.refused("next", "--partitions", "3")
    assert said == (
        "15 records of partition 1 are not folded yet; let the workers finish, stop them, and try"
        " again.\n"
    )
    assert "cannot have fewer" in story.refused("next", "--partitions", "1")
    story.start()
    story.bench.finish()
    with pytest.raises(RefusedError, match="still run"):
        Operator(_settings(story.bench), patience_s=1).begin_next(3)
    assert set(story.bench.ends()) == {0, 1}
    assert story.bench.terminate() == 0
    assert story.done("next", "--partitions", "3") == [
        f"epoch 1 of {USAGE} begins: 3 partitions instead of 2",
        "partition 0 goes on at offset 50",
        "partition 1 goes on at offset 25",
        "partition 2 goes on at offset 0",
    ]
    story.bench.send(*waiting, partition=2)  # sent again, the key now in another partition
    story.send(8, 2)
    story.send(9, 0)
    story.run()
    assert story.bench.durable() == story.bench.committed() == {0: 59, 1: 25, 2: 23}


def test_the_topic_was_grown_by_hand_while_records_waited(story: Story) -> None:
    story.grow(4)
    story.send(6, 0)
    story.send(7, 3)
    said = story.refuses()
    assert f"{USAGE} has 4 partitions, had 3" in said
    assert "`sms-analytics epoch next --partitions 4`" in said
    assert "--with-lag goes on nevertheless" in story.refused("next", "--partitions", "4")
    lines = story.done("next", "--partitions", "4", "--with-lag", "--reason", "by mistake")
    assert lines[0] == f"epoch 2 of {USAGE} begins: 4 partitions instead of 3"
    why = "4 partitions instead of 3; by mistake"
    begins = ((0, 59), (1, 25), (2, 23), (3, 0))
    assert story.decisions("epoch next")[3:] == [(2 << 16 | p, n, 0, why) for p, n in begins]
    story.run()


def test_the_topic_was_made_anew_while_a_worker_ran(story: Story) -> None:
    story.start()
    until(lambda: story.bench.metric("sms_worker_partitions") == 4, "nothing is assigned")
    story.make_anew(2)
    said = story.ends(70)
    assert f"{USAGE} was made anew" in said
    assert "`sms-analytics epoch next`" in said
    assert "made anew" in story.refused("accept-gap")
    story.bench.group += "-2"  # where no member's session has to end first, which takes 20 s
    repeated = story.send(40, 0)
    story.send(30, 1)
    story.bench.send(*repeated, partition=0)
    assert "was made anew" in story.refuses()
    lines = story.done("next")
    assert lines[0].startswith(f"epoch 3 of {USAGE} begins: the topic was made anew (id ")
    assert lines[1:] == ["partition 0 goes on at offset 0", "partition 1 goes on at offset 0"]
    story.run()
    assert story.bench.durable() == {0: 80, 1: 30}


def test_the_log_became_shorter(story: Story) -> None:
    # What a broker does that lost its disk: here the tables say that more was folded than there is.
    columns = "(source, next_offset, end_offset, as_of, topic_id, partitions)"
    story.bench.client.command(
        f"INSERT INTO source_progress {columns} SELECT source, 90, 90, as_of, topic_id, partitions"
        " FROM source_progress FINAL WHERE source = 196608"
    )
    said = story.refuses()
    assert "the log ends at 80, 10 records before what was folded" in said
    story.send(5, 0)
    assert story.done("next") == [
        f"epoch 4 of {USAGE} begins: the log became shorter in partition 0",
        "partition 0 goes on at offset 0",
        "partition 1 goes on at offset 30",
    ]
    story.run()
    assert story.bench.durable() == {0: 85, 1: 30}
