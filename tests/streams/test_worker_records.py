"""One worker and every kind of record: what is folded, what is not, and what lies in the DLQ."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schemas.events import MAX_EVENT_BYTES, REJECT_REASONS
from schemas.rows import CELL_TABLES, USAGE_LOG
from schemas.topics import DEAD_LETTER_HEADERS, USAGE, USER_PHONES
from tests.streams.harness import Bench, bench, until
from tests.streams.records import send
from tests.streams.samples import event

pytestmark = pytest.mark.live


def _ago(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat(timespec="milliseconds")


def _event(sid: str, **fields: Any) -> bytes:
    return event(sid, **{"occurred_at": _ago(minutes=1), **fields})


class Case(NamedTuple):
    """A record, and what must come of it: a reason and how its detail begins, or acceptance."""

    key: bytes | None
    value: bytes | None
    reason: str | None = None
    detail: str = ""


def _sized(size: int) -> bytes:
    bare = _event("large", note="")
    return bare.replace(b'"note": ""', b'"note": "%s"' % (b"x" * (size - len(bare))))


_PHONE, _OTHER_PHONE = "+4915112345678", "+4915187654321"


def _good() -> list[Case]:
    return [
        *[Case(b"7", _event(f"good-{n}")) for n in range(40)],
        Case(b"7", _sized(MAX_EVENT_BYTES)),
        Case(b"7", _event("5 min ahead", occurred_at=_ago(minutes=-4, seconds=-50))),
        Case(b"7", _event("400 days old", occurred_at=_ago(days=399, hours=23))),
        Case(b"7", _event("with a body", body="not to be stored")),
        Case(b"7", _event("euro", price="-0.0125", price_unit="EUR")),
        Case(b"9007199254740991", _event("last user", user_id=2**53 - 1)),
        Case(_PHONE.encode(), _event("mapped", user_id=None, phone_number=_PHONE)),
        Case(_OTHER_PHONE.encode(), _event("unresolved", user_id=None, phone_number=_OTHER_PHONE)),
    ]


def _bad() -> list[Case]:
    return [
        Case(b"7", b"{poison", "invalid_json"),
        Case(b"7", b"", "invalid_json"),
        Case(b"7", None, "invalid_json", "the record has no value"),
        Case(None, None, "invalid_json", "the record has no value"),
        Case(b"7", b"\xff\xfe\x00", "invalid_json"),
        Case(b"7", _event("half")[:30], "invalid_json"),
        Case(b"7", _event("two") + b"\n" + _event("in one"), "invalid_json"),
        Case(b"7", b"[" * 20_000 + b"]" * 20_000, "invalid_json"),
        Case(b"7", _event("x", segments=101), "invalid_field", "segments: "),
        Case(b"7", _event("x", status="Sent"), "invalid_field", "status: "),
        Case(b"7", _event("x" * 65, event_id="x"), "invalid_field", "message_sid: "),
        Case(b"7", _event("x", phone_number=_PHONE), "invalid_field", "phone_number: "),
        Case(b"7", _event("x", direction=None), "missing_field", "direction: "),
        Case(b"7", _event("x", user_id=None), "missing_field", "user_id: "),
        Case(b"7", _event("x", occurred_at=None), "missing_field", "occurred_at: "),
        Case(b"7", _sized(MAX_EVENT_BYTES + 1), "too_large", "65537 bytes, limit 65536"),
        Case(b"7", b"x" * 1_000_000, "too_large", "1000000 bytes, limit 65536"),
        Case(b"7", b" " * 8_000_000, "too_large", "8000000 bytes, limit 65536"),
        Case(None, _event("x"), "invalid_key", "key: "),
        Case(b"", _event("x"), "invalid_key", "key: "),
        Case(b"8", _event("x"), "invalid_key", "key: "),
        Case(_OTHER_PHONE.encode(), _event("x", user_id=None, phone_number=_PHONE), "invalid_key"),
        Case(b"7", _event("x", occurred_at=_ago(minutes=-10)), "in_future", "occurred_at: "),
        Case(b"7", _event("x", occurred_at="9999-12-31T23:59:59Z"), "in_future", "occurred_at: "),
        Case(b"7", _event("x", occurred_at=_ago(days=401)), "too_old", "occurred_at: 401 days"),
        Case(
            b"7",
            _event("x", price="1", price_unit="GBP"),
            "unsupported_currency",
            "price_unit: GBP",
        ),
    ]


class Outcome(NamedTuple):
    """What was sent, by offset of partition 0, and the bench after all of it was folded.

    Every good record was sent three times.
    """

    sent: list[Case]
    bench: Bench

    @property
    def sids(self) -> set[str]:
        return {
            json.loads(case.value or b"")["message_sid"] for case in self.sent if not case.reason
        }

    @property
    def rejected(self) -> dict[int, Case]:
        """The bad records by their offset."""
        return {offset: case for offset, case in enumerate(self.sent) if case.reason}


@pytest.fixture(scope="module")
def outcome(
    kafka: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcome]:
    """All cases in one log, in random order."""
    directory: Path = tmp_path_factory.mktemp("records")
    cases = [*_good() * 3, *_bad()]
    random.Random(1).shuffle(cases)
    with bench(kafka, clickhouse, directory) as made:
        send(kafka, [(_PHONE.encode(), b'{"user_id": 3}')], USER_PHONES)
        records = [(case.key, case.value) for case in cases]
        large = {"message.max.bytes": 10_000_000, "compression.type": "gzip"}
        send(kafka, records, **large)
        made.start(CURRENCY_RATES=json.dumps({"EUR": "1.08"}))
        made.finish()
        yield Outcome(cases, made)


def test_accepted_messages_are_counted_once_each(outcome: Outcome) -> None:
    assert len(outcome.sids) == len(_good())
    outcome.bench.assert_exact(outcome.sids)


def test_the_dead_letters_are_the_rejected_records_unchanged(outcome: Outcome) -> None:
    letters = outcome.bench.dead_letters()
    assert set(letters) == {(0, offset) for offset in outcome.rejected}
    for offset, case in outcome.rejected.items():
        record, headers = letters[0, offset]
        assert (record.key(), record.value()) == (case.key, case.value)
        assert set(headers) == set(DEAD_LETTER_HEADERS)
        assert (headers["reason"], headers["source_topic"]) == (case.reason, USAGE)
        assert headers["detail"]
        assert headers["detail"].startswith(case.detail)
        assert abs(datetime.now(UTC) - datetime.fromisoformat(headers["failed_at"])) < timedelta(
            minutes=5
        )


def test_numbers_become_users_by_the_mapping(outcome: Outcome) -> None:
    log = outcome.bench.log()
    assert log["mapped"] == (3, "mapping")
    assert log["unresolved"] == (0, "unresolved")
    assert log["last user"] == (2**53 - 1, "event")
    users = outcome.bench.users()
    assert (users[3], users[0], users[2**53 - 1]) == (1, 1, 1)


def test_a_partition_without_records_has_progress_and_a_commit_of_0(outcome: Outcome) -> None:
    made, wanted = outcome.bench, {0: len(outcome.sent), 1: 0}
    until(lambda: made.committed() == wanted, "the empty partition is not committed")
    assert made.durable() == wanted


def test_a_mapping_sent_before_its_message_is_known(outcome: Outcome) -> None:
    made = outcome.bench
    for user in range(10, 15):
        phone = b"+49151%d" % user
        send(made.broker, [(phone, b'{"user_id": %d}' % user)], USER_PHONES)
        value = _event(f"just mapped {user}", user_id=None, phone_number=phone.decode())
        made.send((phone, value), partition=1)
    made.finish()
    log = made.log()
    assert [log[f"just mapped {user}"] for user in range(10, 15)] == [
        (user, "mapping") for user in range(10, 15)
    ]


def test_nothing_of_a_body_is_stored(outcome: Outcome) -> None:
    columns = outcome.bench.rows(f"SELECT * FROM {USAGE_LOG} WHERE message_sid = 'with a body'")
    assert len(columns) == 1
    assert "stored" not in repr(columns)


def test_every_record_is_in_the_metrics(outcome: Outcome) -> None:
    made, counted = outcome.bench, "sms_worker_events_total"
    assert made.metric(counted, outcome="accepted") >= len(outcome.sids)
    assert made.metric(counted, outcome="duplicate") == 2 * len(outcome.sids)
    assert made.metric(counted, outcome="rejected") == len(outcome.rejected)
    reasons = Counter(str(case.reason) for case in outcome.rejected.values())
    for reason, count in reasons.items():
        assert made.metric("sms_worker_rejected_total", reason=reason) == count
    assert set(reasons) == set(REJECT_REASONS) - {"quarantined", "orphan_status"}
    assert {made.metric("sms_worker_hot_cells", table=name) > 0 for name in CELL_TABLES} == {True}


def test_offsets_follow_what_is_durable(outcome: Outcome) -> None:
    made = outcome.bench
    made.finish()
    assert made.terminate() == 0
    assert made.committed() == made.ends() == made.durable()
