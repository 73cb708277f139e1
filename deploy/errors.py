"""The one error that commands end with: a sentence for the person at the terminal, no traceback."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_MOST_CHARACTERS = 500
_UNREACHABLE = re.compile(r"host='([^']*)', port=(\d+)\).*(?:refused|timed out|resolve)", re.DOTALL)


class Unusable(Exception):  # noqa: N818
    """Something on this machine stands in the way; the message is a whole sentence that says
    what, and what can be done."""


@contextmanager
def sentences() -> Iterator[None]:
    """Inside the block what a back end or a file refuses becomes an `Unusable`, and nothing
    else about it is written to the terminal."""
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from confluent_kafka import KafkaException
    from pydantic import ValidationError

    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    try:
        yield
    except ValidationError as error:
        raise Unusable(settings_sentence(error)) from None
    except KafkaException as error:
        raise Unusable(f"Kafka: {error.args[0].str()}.") from None
    except ClickHouseError as error:
        raise Unusable(clickhouse_sentence(str(error))) from None
    except (ConnectionError, ValueError) as error:
        raise Unusable(f"{error}.") from None


def settings_sentence(error: ValidationError) -> str:
    """Which settings cannot be used and why, without their values: they may be secrets."""
    faults = (
        f"SMS_{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()
    )
    return "; ".join(faults) + "."


def clickhouse_sentence(text: str) -> str:
    """What clickhouse-connect says, in a line; where nobody listens, just that."""
    if match := _UNREACHABLE.search(text):
        return f"ClickHouse does not answer at {match[1]}:{match[2]}."
    first_line = text.partition("\n")[0]
    return f"ClickHouse: {first_line[:_MOST_CHARACTERS]}"
