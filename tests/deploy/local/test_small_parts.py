"""The pure parts of `up`: pauses, patience, ports, settings of the broker."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deploy.errors import Unusable
from deploy.local import kafka_config
from deploy.local.patience import Patience
from deploy.local.ports import WantedPort, check_ports, free_port, why_not
from deploy.local.restarts import Backoff


def test_pauses_grow_to_thirty_seconds() -> None:
    backoff = Backoff()
    assert [backoff.pause_s(0.5) for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_who_lived_a_minute_begins_again() -> None:
    backoff = Backoff()
    lives = [0.5, 0.5, 59.9, 60.0, 0.5]
    assert [backoff.pause_s(lived_s) for lived_s in lives] == [1, 2, 4, 1, 2]


def test_patience_asks_now_and_then_and_says_why_it_waits() -> None:
    now, reasons, said = [0.0], iter(["a", "b", "c", None]), list[str]()
    patience = Patience(lambda: next(reasons), "Waiting", said.append, lambda: now[0])
    answers = []
    for now[0] in (0.0, 0.1, 19.0, 20.0, 20.1, 20.4):
        answers.append(patience.is_over())
    assert answers == [False, False, False, False, False, True]
    assert said == ["Waiting: c"]


def test_a_port_in_use_is_named_with_its_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        wanted = [WantedPort("127.0.0.1", port, "--kafka-port")]
        with pytest.raises(Unusable, match=rf"^Port {port} .*in use.* with --kafka-port\.$"):
            check_ports(wanted, patience_s=0)
    check_ports(wanted, patience_s=0)


def test_one_port_cannot_serve_two() -> None:
    port = free_port()
    wanted = [WantedPort("127.0.0.1", port, option) for option in ("--api-port", "--kafka-port")]
    with pytest.raises(Unusable, match=rf"^Port {port} is given twice; .* --kafka-port\.$"):
        check_ports(wanted)


def test_an_address_of_another_machine_cannot_be_used() -> None:
    assert why_not(WantedPort("192.0.2.1", free_port(), "--api-port"))


def test_the_broker_listens_on_the_loopback_address_only() -> None:
    text = kafka_config.properties(1234, 5678, Path("/data/log"))
    settings = dict(line.split("=", 1) for line in text.splitlines())
    listeners = settings["listeners"].split(",") + settings["advertised.listeners"].split(",")
    assert all("://127.0.0.1:" in listener for listener in listeners)
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:5678"
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["log.dirs"] == "/data/log"
