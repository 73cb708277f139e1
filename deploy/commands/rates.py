"""`rates`: the rate card, from a file or from Twilio, and what another one would have cost."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.commands.joining import joined, show
from deploy.commands.options import DEFAULT, DataDir, File
from deploy.errors import Unusable, sentences
from deploy.topics import check_broker
from schemas.topics import RATE_CARD

if TYPE_CHECKING:
    from schemas.rates import Rate
    from streams.rate_card import Fetched
    from streams.settings import PriceSettings

rates = typer.Typer(no_args_is_help=True, help="The rate card that messages are priced by.")

_RETRY_S = 900.0
_COUNTRY = re.compile("[A-Z]{2}")


@rates.command("load")
def load_rates(file: File, data_dir: DataDir = DEFAULT) -> None:
    """Publish a rate card (TOML, in the shape of `schemas/rate_card.toml`).

    Each rate counts for messages that occurred at or after its `valid_from`."""
    with joined(data_dir) as settings:
        check_broker(settings.bootstrap_servers)
        from streams import rate_card

        published, uncovered = rate_card.load(settings, file)
        typer.echo(f"{published} records loaded")
        if uncovered:
            typer.echo(
                f"No rate of country `*` for {', '.join(uncovered)}: such messages cost 0 where no "
                "other rate applies.",
                err=True,
            )


@rates.command("show")
def show_rates(data_dir: DataDir = DEFAULT) -> None:
    """Print the rates that were published, a line each; none means the bundled card."""
    show(data_dir, RATE_CARD)


@rates.command("fetch")
def fetch_rates(
    countries: Annotated[
        str, typer.Option(help="Only those, `US,DE`; all that Twilio has otherwise.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change, publish nothing.")
    ] = False,
    every_hours: Annotated[
        float | None,
        typer.Option(min=0.01, help="Go on, so often; after a failure in 15 minutes."),
    ] = None,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Take over the SMS prices that Twilio has now; those that changed are published.

    MMS, carrier fees and failed-message fees stay those of the card. Exit code 1 when the prices of
    some country did not come: its rates stay as they are."""
    if dry_run and every_hours is not None:
        raise Unusable("--dry-run is done once: leave --every-hours away.")
    only = _countries(countries)
    with joined(data_dir):
        from streams.settings import PriceSettings

        settings = PriceSettings()
    while True:
        is_complete = _fetch(settings, only, is_dry=dry_run)
        if every_hours is None:
            raise typer.Exit(0 if is_complete else 1)
        pause_s = every_hours * 3600
        time.sleep(pause_s if is_complete else min(pause_s, _RETRY_S))


def _countries(text: str) -> list[str]:
    countries = [part.strip().upper() for part in text.split(",") if part.strip()]
    for country in countries:
        if not _COUNTRY.fullmatch(country):
            raise Unusable(f"--countries: `{country}` is not an ISO 3166 code of two letters.")
    return list(dict.fromkeys(countries))


def _fetch(settings: PriceSettings, only: list[str], *, is_dry: bool) -> bool:
    from streams import rate_card

    with sentences():
        check_broker(settings.bootstrap_servers)
        fetched = rate_card.fetch(settings, only, is_dry=is_dry)
    _tell(fetched, is_dry=is_dry)
    return fetched.outcome == "ok"


def _tell(fetched: Fetched, *, is_dry: bool) -> None:
    for rate, before in fetched.changes:
        was = "new" if before is rate else f"was {_usd(before)}, {before.source}"
        carrier = rate.mcc_mnc or "any carrier"
        typer.echo(f"{rate.country}\t{carrier}\t{rate.direction}\t{_usd(rate)}\t{was}")
    done = "would change" if is_dry else "changed"
    count, rates_ = len(fetched.countries), len(fetched.changes)
    typer.echo(f"{rates_} rates {done}; prices of {count} countries came")
    if fetched.failure:
        typer.echo(f"{fetched.failure}; their rates stay as they are", err=True)


def _usd(rate: Rate) -> str:
    fee = f" + {rate.carrier_fee_micros / 1e6:.6f}" if rate.carrier_fee_micros else ""
    return f"{rate.base_micros / 1e6:.6f}{fee} USD"


@rates.command("compare")
def compare_rates(
    from_: Annotated[str, typer.Option("--from", help="Start, RFC 3339 or a date (UTC).")],
    to: Annotated[str, typer.Option("--to", help="End, not in the window.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, help="The other card; the one in force if left out."
        ),
    ] = None,
    user_id: Annotated[
        int | None, typer.Option(min=1, max=2**53 - 1, help="Of one user only.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Price all messages as if they had occurred then.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False,
    data_dir: DataDir = DEFAULT,
) -> None:
    """What the messages of a past window would have cost with another card; changes nothing."""
    from_ms, to_ms = _instant("--from", from_), _instant("--to", to)
    if from_ms >= to_ms:
        raise Unusable("--from must be before --to.")
    as_of_ms = None if as_of is None else _instant("--as-of", as_of)
    with joined(data_dir) as settings:
        from streams import rate_card, repricing
        from streams.card_files import read_card
        from streams.core.pricing import RateIndex

        window = repricing.Window(from_ms, to_ms, user_id, as_of_ms)
        index = RateIndex(read_card(file)) if file else rate_card.index_in_force(settings)
        found = repricing.compare(settings, index, window)
        if as_json:
            card = file.name if file else None
            head = {"card": card, "from": from_, "to": to, "user_id": user_id, "as_of": as_of}
            typer.echo(repricing.as_json(found, head))
        else:
            for line in repricing.as_table(found):
                typer.echo(line)


def _instant(option: str, text: str) -> int:
    """Epoch milliseconds."""
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise Unusable(f"{option}: `{text[:40]}` is no date and no RFC 3339 time.") from None
    if moment.tzinfo is None:
        if len(text) > len("2026-03-01"):
            raise Unusable(f"{option}: a time must have an offset, as in 2026-03-01T12:00:00Z.")
        moment = moment.replace(tzinfo=UTC)
    if moment.year < 1980 or moment.year > 2200:
        raise Unusable(f"{option}: the year must be from 1980 to 2200.")
    return int(moment.timestamp() * 1000)
