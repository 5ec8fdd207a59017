"""`budkavle check`: whether this deployment would work. Changes nothing."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Annotated

import typer

from console.checks import Check, Verdict
from console.checks.effective import check_settings, effective_settings, loaded
from console.checks.peers import (
    check_certificates,
    check_mail,
    check_platform,
    check_sms,
    check_tls_of_ingest,
)
from console.checks.stores import check_broker, check_database, check_log_key
from console.exits import ExitCode
from console.opening import load_settings
from console.output import AsJson, print_json, print_rows, say
from fetcher.settings import FetcherSettings
from ingest.settings import IngestSettings
from notifier.settings import NotifierSettings
from shared.relay.topology import STAGES
from shared.stage.settings import CommonSettings


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    stages: Annotated[
        list[str] | None,
        typer.Argument(metavar="STAGE…", help="Only these stages.", show_default=False),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Look, before a deploy, at settings, broker, database, certificates, logins and clock.

    Nothing is changed or sent. Exit code 0: it would work. 4: something is wrong.
    """
    chosen = stages or list(STAGES)
    unknown = [stage for stage in chosen if stage not in STAGES]
    if unknown:
        raise typer.BadParameter(f"no stage {unknown[0]!r}; there are {', '.join(STAGES)}")
    settings = load_settings()
    found = [*check_settings(chosen), *_checks(settings, chosen)]
    if as_json:
        print_json({"settings": effective_settings(), "checks": found})
    else:
        _print(found)
    if any(each.verdict is Verdict.WRONG for each in found):
        raise typer.Exit(ExitCode.TROUBLE)


def _checks(settings: CommonSettings, stages: Sequence[str]) -> Iterator[Check]:
    yield from check_broker(settings)
    yield from check_database(settings)
    yield from check_log_key(settings)
    of_stages = [each for each in map(loaded, stages) if isinstance(each, CommonSettings)]
    yield from check_certificates(settings, *of_stages)
    yield from chain.from_iterable(map(_checks_of, of_stages))


def _checks_of(settings: CommonSettings) -> Iterator[Check]:
    match settings:
        case IngestSettings():
            yield from check_tls_of_ingest(settings)
        case FetcherSettings():
            yield from check_platform(settings)
        case NotifierSettings():
            yield from check_sms(settings)
            yield from check_mail(settings)


def _print(found: Sequence[Check]) -> None:
    rows = [
        {"setting": each.name, "value": each.value, "from": each.origin}
        for each in effective_settings()
    ]
    print_rows(rows, empty="Every setting has its default.")
    print_rows(
        [{"": each.verdict, "what": each.what, "found": each.detail or None} for each in found],
        empty="",
    )
    counts = {verdict: sum(each.verdict is verdict for each in found) for verdict in Verdict}
    say(", ".join(f"{number} {verdict}" for verdict, number in counts.items()) + ".")
