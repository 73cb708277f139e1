"""Topics are created with their settings, once."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from deploy.topics import create_missing_topics, missing_topics, set_retention
from schemas.topics import Topic, topics

pytestmark = pytest.mark.live


def test_every_topic_is_created_with_its_settings(kafka: str) -> None:
    wanted = [Topic(f"created.{topic.name}", topic.partitions, topic.config) for topic in topics()]
    assert missing_topics(kafka, wanted) == [topic.name for topic in wanted]
    assert create_missing_topics(kafka, wanted) == [topic.name for topic in wanted]
    assert missing_topics(kafka, wanted) == []
    admin = AdminClient({"bootstrap.servers": kafka})
    present = admin.list_topics(timeout=10).topics
    for topic in wanted:
        assert len(present[topic.name].partitions) == topic.partitions
        resource = ConfigResource(ResourceType.TOPIC, topic.name)
        settings = admin.describe_configs([resource])[resource].result(10)
        for name, value in topic.config.items():
            assert settings[name].value == value


def test_a_topic_that_exists_is_left_as_it_is(kafka: str) -> None:
    create_missing_topics(kafka, [Topic("existing", 3)])
    assert create_missing_topics(kafka, [Topic("existing", 5), Topic("absent")]) == ["absent"]
    present = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    assert len(present["existing"].partitions) == 3


def test_retention_follows_the_settings_and_nothing_else_does(kafka: str) -> None:
    config = {"retention.ms": "1000000", "max.message.bytes": "70000"}
    create_missing_topics(kafka, [Topic("retained", 1, config), Topic("compacted")])
    wanted = [Topic("retained", 1, {"retention.ms": "2000000"}), Topic("compacted")]
    assert set_retention(kafka, wanted) == ["retained"]
    assert set_retention(kafka, wanted) == []
    resource = ConfigResource(ResourceType.TOPIC, "retained")
    admin = AdminClient({"bootstrap.servers": kafka})
    settings = admin.describe_configs([resource])[resource].result(10)
    assert settings["retention.ms"].value == "2000000"
    assert settings["max.message.bytes"].value == "70000"
