"""The compose file against the settings classes and its own promises; no engine needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from query_api.settings import ApiSettings
from schemas.settings import Settings
from streams.settings import WorkerSettings

_ROOT = Path(__file__).parent.parent.parent
_TEXT = (_ROOT / "docker-compose.yml").read_text(encoding="utf-8")
_SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(_TEXT)["services"]
_SETTINGS = {"migrate": Settings, "worker": WorkerSettings, "api": ApiSettings}


def test_services() -> None:
    assert set(_SERVICES) == {"kafka", "clickhouse", *_SETTINGS}


@pytest.mark.parametrize("name", _SETTINGS)
def test_variables_are_settings_of_the_process(name: str) -> None:
    fields = _SETTINGS[name].model_fields
    unknown = {
        variable
        for variable in _SERVICES[name]["environment"]
        if variable.removeprefix("SMS_").lower() not in fields
    }
    assert unknown == set()
    assert _SERVICES[name]["command"] == [name]


def test_secrets_are_required_from_outside() -> None:
    references = re.findall(r"\$\{(\w+)([^}]*)\}", _TEXT)
    assert {name for name, _ in references} == {
        "SMS_CLICKHOUSE_PASSWORD",
        "SMS_JWT_SECRET",
        "SMS_PRIVACY_KEY",
    }
    assert all(rest.startswith(":?") for _, rest in references)


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in _SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", sorted(set(_SERVICES) - {"migrate"}))
def test_lasting_services_have_a_healthcheck_and_restart(name: str) -> None:
    assert _SERVICES[name]["healthcheck"]["test"]
    assert _SERVICES[name]["restart"] == "unless-stopped"


def test_images_are_pinned_and_data_is_kept() -> None:
    for name in ("kafka", "clickhouse"):
        assert re.fullmatch(r"[\w/-]+:\d+(\.\d+)+", _SERVICES[name]["image"])
        assert _SERVICES[name]["volumes"]
