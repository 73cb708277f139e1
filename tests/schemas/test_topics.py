"""The topics and the settings that contract section 1 fixes."""

from __future__ import annotations

from schemas import topics

_DAY_MS = 86_400_000


def _by_name() -> dict[str, topics.Topic]:
    return {topic.name: topic for topic in topics.topics()}


def test_names() -> None:
    assert set(_by_name()) == {
        "sms.usage.v1",
        "sms.usage.dlq.v1",
        "sms.user-phones.v1",
        "sms.rate-card.v1",
        "sms.privacy.v1",
        "sms.system-usage.v1",
        "sms.alerts.v1",
    }


def test_usage() -> None:
    usage = _by_name()[topics.USAGE]
    assert usage.partitions == 8
    assert usage.config["message.timestamp.type"] == "LogAppendTime"
    (other, *_) = topics.topics(usage_partitions=3, usage_days=30)
    assert (other.partitions, other.config["retention.ms"]) == (3, str(30 * _DAY_MS))


def test_dead_letters_hold_any_usage_record_and_its_headers() -> None:
    by_name = _by_name()
    largest = int(by_name[topics.USAGE].config["max.message.bytes"])
    dead_letters = by_name[topics.DEAD_LETTERS].config
    assert int(dead_letters["max.message.bytes"]) == largest + 16 * 1024
    assert int(dead_letters["retention.ms"]) == 7 * _DAY_MS


def test_compacted_topics_never_expire() -> None:
    by_name = _by_name()
    for name in (topics.USER_PHONES, topics.RATE_CARD, topics.PRIVACY, topics.ALERTS):
        assert by_name[name].config["cleanup.policy"] == "compact"
        assert "retention.ms" not in by_name[name].config
    assert by_name[topics.SYSTEM_USAGE].partitions == 1
