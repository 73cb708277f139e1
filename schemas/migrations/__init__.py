"""ClickHouse migrations: numbered, forward only, never edited.

`MIGRATIONS` lists them with the checksum of their text; `deploy.migrate` applies each once and
refuses to go on when an applied one was edited afterwards.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")


@dataclass(frozen=True)
class Migration:
    """One file: `number`, `name` (without number and ending), its SQL and the SQL's SHA-256."""

    number: int
    name: str
    sql: str
    checksum: str


def _load() -> tuple[Migration, ...]:
    found = []
    for entry in files(__name__).iterdir():
        if match := _NAME.match(entry.name):
            sql = entry.read_text(encoding="utf-8")
            checksum = hashlib.sha256(sql.encode()).hexdigest()
            found.append(Migration(int(match[1]), match[2], sql, checksum))
    return tuple(sorted(found, key=lambda migration: migration.number))


MIGRATIONS: tuple[Migration, ...] = _load()
