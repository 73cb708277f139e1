"""How long ClickHouse keeps rows: the TTL of the tables, as the settings say.

The migrations create the tables with the default; whoever starts with other settings alters them.
Rows that are too old go when ClickHouse merges their part, or the whole part at once.
"""

from __future__ import annotations

import re

from clickhouse_connect.driver.client import Client

from schemas.rows import CELL_TABLES, PHONES_SEEN, SYSTEM_1M, USAGE_LOG, USER_TOTALS_15M
from schemas.settings import Settings

_ROLLUPS = {*CELL_TABLES, USER_TOTALS_15M} - {SYSTEM_1M}
_DAYS = re.compile(r"\bTTL .*?toIntervalDay\((\d+)\)")


def apply_retention(client: Client, settings: Settings) -> list[str]:
    """Give the tables the TTL of the settings where theirs differs; a sentence for each."""
    wanted = {
        USAGE_LOG: ("toDateTime(occurred_at)", settings.message_retention_days),
        PHONES_SEEN: ("last_at", settings.message_retention_days),
    }
    wanted |= dict.fromkeys(_ROLLUPS, ("bucket", settings.rollup_retention_days))
    found = client.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
        " ORDER BY name"
    )
    done = []
    for table, text in found.result_rows:
        if table not in wanted:
            continue
        column, days = wanted[table]
        if kept_days(text) != days:
            client.command(f"ALTER TABLE {table} MODIFY TTL {column} + INTERVAL {days} DAY")
            done.append(f"{table} keeps rows for {days} days")
    return done


def kept_days(create_table: str) -> int | None:
    """How long a table keeps rows, by its `create_table_query`; None is for ever."""
    kept = _DAYS.search(create_table)
    return int(kept[1]) if kept else None
