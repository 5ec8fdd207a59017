"""When each alert fires, by Prometheus' own judge of rules (`promtool test rules`).

Every case is a quiet night with something else laid over it, and names all alerts that then fire.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from shared.relay.topology import READING_STAGES, STAGES, dead_queue, work_queue
from tests.services.prometheus import promtool

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
QUEUES = [*map(work_queue, READING_STAGES), *map(dead_queue, READING_STAGES), "budkavle.delay.1h"]
HOUR = 60
#: promtool's time begins on a Thursday at 0:00 UTC. Cases are told in minutes.
NOON_THURSDAY, SATURDAY = 12 * HOUR, 60 * HOUR

Series = Mapping[str, str]


def target(stage: str) -> str:
    return f'job="budkavle", instance="{stage}:9100"'


def outcome(stage: str, outcome: str, reason: str) -> str:
    return (
        f'budkavle_outcomes_total{{{target(stage)}, stage="{stage}", outcome="{outcome}",'
        f' reason="{reason}"}}'
    )


def queue(name: str, *, metric: str = "rabbitmq_queue_messages") -> str:
    return f'{metric}{{job="rabbitmq", instance="rabbitmq:15692", vhost="/", queue="{name}"}}'


def ready_in(name: str) -> str:
    return queue(name, metric="rabbitmq_queue_messages_ready")


def seconds_of(stage: str) -> str:
    return f'budkavle_handler_seconds_count{{{target(stage)}, stage="{stage}"}}'


def age(le: str) -> str:
    return f'budkavle_age_seconds_bucket{{{target("composer")}, stage="composer", le="{le}"}}'


def quiet(minutes: int) -> dict[str, str]:
    """All is well: nothing has risen since the processes started, ten days ago."""
    night = {
        MISMATCHES: f"0x{minutes}",
        UNCERTAIN: f"0x{minutes}",
        outcome("ingest", "fault", "bug"): f"0x{minutes}",
        outcome("fetcher", "retry", "bug"): f"0x{minutes}",
        outcome("notifier", "dead", "channel_off"): f"0x{minutes}",
        TRACE_LOST: f"0x{minutes}",
        outcome("notifier", "postpone", "quiet_hours"): f"0x{minutes}",
        f"budkavle_ingest_engagements_total{{{target('ingest')}}}": f"7+1x{minutes}",
        f'budkavle_breaker_open{{{target("fetcher")}, source="SE1"}}': f"0x{minutes}",
        PROVIDER: f"0x{minutes}",
        OTHER_PROVIDER: f"0x{minutes}",
        age("900.0"): f"40x{minutes}",
        age("+Inf"): f"41x{minutes}",
        AGES: f"41x{minutes}",
    }
    for stage in STAGES:
        night[f'up{{{target(stage)}, process="{stage}"}}'] = f"1x{minutes}"
        night[INFO(stage)] = f"1x{minutes}"
        night[f"process_start_time_seconds{{{target(stage)}}}"] = f"-864000x{minutes}"
        night[ready_check(stage)] = f"1x{minutes}"
        night[seconds_of(stage)] = f"41x{minutes}"
    for name in QUEUES:
        night[queue(name)] = night[ready_in(name)] = f"0x{minutes}"
    return night


def INFO(stage: str) -> str:  # noqa: N802 - a series, as the constants below
    return f'budkavle_process_info{{{target(stage)}, stage="{stage}", broker="rabbitmq"}}'


def ready_check(stage: str) -> str:
    return f'budkavle_ready{{{target(stage)}, stage="{stage}", check="broker"}}'


MISMATCHES = (
    f'budkavle_reply_mismatches_total{{{target("fetcher")}, source="SE1", differs="patient"}}'
)
UNCERTAIN = f'budkavle_notices_total{{{target("notifier")}, channel="sms", status="uncertain"}}'
AGES = f'budkavle_age_seconds_count{{{target("composer")}, stage="composer"}}'
BREAKER = f'budkavle_breaker_open{{{target("fetcher")}, source="SE1"}}'
PROVIDER, OTHER_PROVIDER = (
    f'budkavle_provider_breaker_open{{{target("notifier")}, channel="sms", provider="{name}"}}'
    for name in ("46elks", "sinch")
)
ENGAGEMENTS = f"budkavle_ingest_engagements_total{{{target('ingest')}}}"
FAULTS = outcome("ingest", "fault", "queue_unavailable")
BUGS = outcome("fetcher", "retry", "bug")
ODD = (
    f'budkavle_filter_engagements_refused_total{{{target("filter")}, source="SE1",'
    ' element="mostRecentContent", flaw="length", kept="yes"}'
)
MISSING = outcome("notifier", "dead", "message_missing")
OFF = outcome("notifier", "dead", "channel_off")


TRACE_LOST = f'budkavle_trace_lost_total{{{target("fetcher")}, stage="fetcher"}}'


def spool(what: str) -> str:
    return f"budkavle_ingest_spool_{what}{{{target('ingest')}}}"


def started(stage: str, minute: int) -> dict[str, str]:
    """A process that started then, under the address of its predecessor."""
    key = f"process_start_time_seconds{{{target(stage)}}}"
    return {key: f"-864000x{minute - 1} {minute * 60}x120"}


@dataclass(frozen=True)
class Case:
    """`changed` over a quiet night; at `minute`, `firing` fire and nothing else does."""

    name: str
    minute: int
    firing: set[str]
    changed: Series = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        series = {**quiet(self.minute + 10), **self.changed}
        for name in self.without:
            del series[name]
        expected = [
            {"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(self.firing)
        ]
        return {
            "name": self.name,
            "interval": "1m",
            "input_series": [{"series": name, "values": text} for name, text in series.items()],
            "promql_expr_test": [
                {
                    "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": f"{self.minute}m",
                    "exp_samples": expected,
                }
            ],
        }


def counted(alert: str, series: str, stage: str) -> list[Case]:
    """An alert on a counter: the first event, the first after a restart, a standstill after it."""
    young = started(stage, 30)
    return [
        Case(f"{alert}: the first event", 35, {alert}, {series: "0x31 1x60"}),
        Case(f"{alert}: a burst between two scrapes", 35, {alert}, {series: "0x31 763x60"}),
        Case(f"{alert}: another event", 35, {alert}, {series: "4x31 5x60"}),
        Case(
            f"{alert}: a restart, and one event before the first scrape",
            35,
            {alert},
            {series: "1x60", **young},
        ),
        Case(f"{alert}: a restart without an event", 35, set(), {series: "4x29 0x60", **young}),
        Case(f"{alert}: a new process whose first count is seen", 35, {alert},
             {series: "_x30 1x60", **young}),
        Case(f"{alert}: two hours after the last event", 160, set(), {series: "0x31 1x200"}),
    ]  # fmt: skip


def waiting(name: str, values: str) -> dict[str, str]:
    return {queue(name): values, ready_in(name): values}


def busy(stage: str) -> dict[str, str]:
    return {seconds_of(stage): "0+60x300"}


COMPOSER = "budkavle.composer"
CASES = [
    Case("a quiet night", 5 * HOUR, set()),
    Case("a quiet weekend", SATURDAY, set(), {ENGAGEMENTS: f"7x{SATURDAY + 10}"}),
    *counted("WrongPatientReply", MISMATCHES, "fetcher"),
    *counted("NotificationsNotTaken", FAULTS, "ingest"),
    *counted("Bugs", BUGS, "fetcher"),
    *counted("UncertainNotices", UNCERTAIN, "notifier"),
    *counted("ChannelOff", OFF, "notifier"),
    *counted("TraceLost", TRACE_LOST, "fetcher"),

    *counted("MessagesMissing", MISSING, "notifier"),
    Case("RequestsSpooled: since six minutes", 33, {"RequestsSpooled"},
         {spool("oldest_seconds"): "0x24 0+60x20"}),
    Case("RequestsSpooled: for two minutes", 26, set(),
         {spool("oldest_seconds"): "0x24 0+60x20"}),
    Case("RequestsSpooled: nearly full", 30, {"RequestsSpooled"},
         {spool("bytes"): "90x60", spool("limit_bytes"): "100x60"}),
    Case("RequestsSpooled: half full", 30, set(),
         {spool("bytes"): "50x60", spool("limit_bytes"): "100x60"}),
    Case("RequestsSpooled: no spool is set", 30, set(),
         {spool("bytes"): "0x60", spool("limit_bytes"): "0x60"}),
    *[case for case in counted("OddEngagements", ODD, "filter") if "_x30" not in str(case)],
    Case("OddEngagements: of a kind that never came before", 35, {"OddEngagements"},
         {ODD: "_x30 1x60"}),
    Case("OddEngagements: and no more of them for two hours", 160, set(), {ODD: "_x30 1x200"}),
    *[
        Case("StageDown: in compose", 10, {"StageDown"}, {f'up{{{target("filter")}}}': "0x20"}),
        Case("StageDown: a PodMonitor's job", 10, {"StageDown"},
             {'up{job="budkavle/stages", pod="filter-1"}': "0x20"}),
        Case("StageDown: a pod by its labels", 10, {"StageDown"},
             {'up{job="kubernetes-pods", app_kubernetes_io_name="budkavle"}': "0x20"}),
        Case("StageDown: another's process", 10, set(), {'up{job="other"}': "0x20"}),
        Case("StageDown: away for a minute in a restart", 10, set(),
             {f'up{{{target("filter")}}}': "1x8 0 1x20"}),
        Case("StageMissing: it ended", 30, {"StageMissing"}, {INFO("notifier"): "1x9 stale"}),
        Case("StageMissing: it never ran", 10, {"StageMissing"}, without=(INFO("composer"),)),
        Case("StageMissing: on Kubernetes no target is labelled with a process", 10, set(),
             {'up{job="kubernetes-pods"}': "1x20"},
             tuple(f'up{{{target(stage)}, process="{stage}"}}' for stage in STAGES)),
        Case("StageNotReady", 10, {"StageNotReady"}, {ready_check("fetcher"): "1x5 0x20"}),
        Case("StageNotReady: from the start on", 10, {"StageNotReady"},
             {ready_check("fetcher"): "0x20"}),
        Case("StageNotReady: for a minute", 10, set(), {ready_check("fetcher"): "1x8 0 1x20"}),
    ],
    *[
        Case("NoNotifications: at noon", NOON_THURSDAY, {"NoNotifications"},
             {ENGAGEMENTS: f"7x{NOON_THURSDAY + 10}"}),
        Case("NoNotifications: since a restart", NOON_THURSDAY, {"NoNotifications"},
             {ENGAGEMENTS: f"7x400 0x{NOON_THURSDAY}"}),
        Case("NoNotifications: at night", 5 * HOUR, set(), {ENGAGEMENTS: "7x400"}),
        Case("NoNotifications: a few come", NOON_THURSDAY, set(),
             {ENGAGEMENTS: f"7x700 8x{HOUR}"}),
    ],
    *[
        Case("Backlog", 30, {"Backlog"}, {**waiting(COMPOSER, "2000x60"), **busy("composer")}),
        Case("Backlog: on the page of detailed metrics", 30, {"Backlog"},
             {'rabbitmq_detailed_queue_messages_ready{queue="budkavle.filter"}': "2000x60",
              **busy("filter")}),
        Case("Backlog: a burst that is worked off", 30, set(),
             {**waiting(COMPOSER, "0x20 2000x5 0x60"), **busy("composer")}),
        Case("Standstill", 16, {"Standstill", "LateMessages"}, waiting(COMPOSER, "1x60")),
        Case("Standstill: after a restart of the stage", 25, {"Standstill"},
             {**waiting("budkavle.notifier", "3x60"), seconds_of("notifier"): "41x8 0x60"}),
        Case("Standstill: the stage is gone", 25, {"Standstill", "StageMissing"},
             {**waiting("budkavle.notifier", "3x60"), INFO("notifier"): "1x5 stale"},
             (seconds_of("notifier"),)),
        Case("Standstill: it works", 25, set(),
             {**waiting("budkavle.notifier", "3x60"), **busy("notifier")}),
        Case("ManyDelayed", 40, {"ManyDelayed"}, waiting("budkavle.delay.1h", "6000x90")),
        Case("ManyDelayed: SMS in the quiet hours", 40, set(),
             {**waiting("budkavle.delay.1h", "6000x90"),
              outcome("notifier", "postpone", "quiet_hours"): "0+10x90"}),
        Case("DeadLetters: the first", 3, {"DeadLetters"},
             waiting("budkavle.fetcher.dead", "0x2 1x20")),
        Case("DeadLetters: they still lie there after a restart of RabbitMQ", 9, {"DeadLetters"},
             waiting("budkavle.fetcher.dead", "1x2 _x3 1x20")),
        Case("DeadLetters: replayed", 9, set(), waiting("budkavle.fetcher.dead", "1x2 0x20")),
    ],
    *[
        Case("LateMessages: the first", 35, {"LateMessages"},
             {age("900.0"): "0x60", age("+Inf"): "0x30 1x60", AGES: "0x30 1x60"}),
        Case("LateMessages: after a restart", 35, {"LateMessages"},
             {age("900.0"): "40x10 0+1x60", age("+Inf"): "41x10 0+2x60", AGES: "41x10 0+2x60"}),
        Case("LateMessages: one in a hundred", 35, set(),
             {age("900.0"): "0+99x60", age("+Inf"): "0+100x60", AGES: "0+100x60"}),
        Case("LateMessages: at a standstill", 20, {"LateMessages", "Standstill"},
             {**waiting(COMPOSER, "5x60"), seconds_of("composer"): "41x60"}),
    ],
    *[
        Case("NoticeProviderDown", 15, {"NoticeProviderDown"}, {PROVIDER: "0x2 1x60"}),
        Case("NoticeProviderDown: both", 15, {"NoticeProviderDown"},
             {PROVIDER: "1x60", OTHER_PROVIDER: "1x60"}),
        Case("NoticeProviderDown: of one of two notifiers", 15, {"NoticeProviderDown"},
             {PROVIDER.replace("notifier:9100", "other:9100"): "1x60"}),
        Case("NoticeProviderDown: from the first notice after a restart", 45,
             {"NoticeProviderDown"}, {PROVIDER: "_x30 1x60", **started("notifier", 30)}),
        Case("NoticeProviderDown: for five minutes", 20, set(), {PROVIDER: "0x5 1x5 0x60"}),
        Case("BreakerOpen", 20, {"BreakerOpen"}, {BREAKER: "0x2 1x60"}),
        Case("BreakerOpen: opened again after a restart", 40, {"BreakerOpen"},
             {BREAKER: "1x10 0 1x60"}),
        Case("BreakerOpen: for five minutes", 20, set(), {BREAKER: "0x10 1x5 0x60"}),
        Case("RabbitMQUnwatched: without the plugin", 15, {"RabbitMQUnwatched"},
             without=tuple(series(name) for series in (queue, ready_in) for name in QUEUES)),
        Case("RabbitMQUnwatched: its page aggregates", 15, {"RabbitMQUnwatched"},
             {'rabbitmq_queue_messages{job="rabbitmq"}': "5x60"},
             tuple(series(name) for series in (queue, ready_in) for name in QUEUES)),
        Case("RabbitMQUnwatched: on the embedded broker", 15, set(),
             {INFO(stage).replace("rabbitmq", "embedded"): "1x60" for stage in STAGES},
             (*map(INFO, STAGES),
              *(series(name) for series in (queue, ready_in) for name in QUEUES))),
    ],
]  # fmt: skip


def alert_names() -> set[str]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.slow
def test_the_rules_are_sound() -> None:
    promtool("check", "rules", str(ALERTS))


def test_every_alert_fires_in_some_case() -> None:
    assert {name for case in CASES for name in case.firing} == alert_names()


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted({case.name.partition(":")[0] for case in CASES}))
def test_it_fires_when_it_should_and_only_then(group: str, tmp_path: Path) -> None:
    cases = [case for case in CASES if case.name.partition(":")[0] == group]
    long = max(case.minute for case in cases) > 3 * HOUR
    document = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "10m" if long else "1m",
        "tests": [case.document() for case in cases],
    }
    (tmp_path / "cases.yaml").write_text(json.dumps(document))  # YAML, and written at once
    promtool("test", "rules", "cases.yaml", cwd=tmp_path)


def test_runbook_and_alerts_name_the_same_troubles() -> None:
    page = (DEPLOY.parent / "docs" / "runbook.md").read_text()
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == alert_names()


def test_each_alert_leads_to_its_heading_and_says_what_to_do() -> None:
    for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
        if "alert" in rule:
            notes = rule["annotations"]
            assert notes["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
            assert notes["summary"]
            assert notes["action"]
