"""What `budkavle status` concludes from what broker, database and processes say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.replicas import Replicas
from console.state import Findings, Store, breakers_of, stages_of, troubles_of
from shared.relay.broker import QueueState
from shared.relay.topology import READING_STAGES, STAGES
from shared.store.processes import StageProcess
from shared.store.sources import SourceSystem
from shared.store.unknown_sources import UnknownSource

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WELL = Store("somewhere")
REPORT = {"ready": {"broker": True}, "handled": 60, "faults": 1, "seconds": 60.0, "oldest": 2.5}


def process(stage: str, *, silent: float = 1, **report: Any) -> StageProcess:
    beat = NOON - timedelta(seconds=silent)
    started = NOON - timedelta(hours=1)
    return StageProcess(
        f"id-{stage}-{silent}", stage, "host", 7, "0.1.0", "qa", started, beat, REPORT | report
    )


def queue(stage: str, ready: int = 0, dead: int = 0) -> QueueState:
    return QueueState(stage, ready, None, 0, dead, 1)


def findings(**changed: Any) -> Findings:
    values: dict[str, Any] = {
        "environment": "qa",
        "now": NOON,
        "broker": WELL,
        "database": WELL,
        "queues": [queue(stage) for stage in READING_STAGES],
        "processes": [process(stage) for stage in STAGES],
    }
    return Findings(**values | changed)


def told(**changed: Any) -> list[str]:
    return [f"{trouble.what} {trouble.help}" for trouble in troubles_of(findings(**changed))]


def with_processes(*more: StageProcess, without: str = "") -> list[StageProcess]:
    return [*(process(stage) for stage in STAGES if stage != without), *more]


def breaker(source: str, opened: float) -> Mapping[str, str]:
    return {
        "source": source,
        "reason": "source_timed_out",
        "opened_at": (NOON - timedelta(seconds=opened)).isoformat(),
        "next_probe": (NOON + timedelta(seconds=10)).isoformat(),
    }


def test_all_is_well() -> None:
    assert told() == []


def test_a_stage_is_the_sum_of_its_processes() -> None:
    two = with_processes(process("fetcher", silent=2, oldest=70.0, handled=10, faults=3))
    state = {each.stage: each for each in stages_of(findings(processes=two))}["fetcher"]
    assert (state.workers, state.versions, state.handled, state.faults) == (2, ("0.1.0",), 70, 4)
    assert state.oldest == timedelta(seconds=70)
    assert state.since == NOON - timedelta(hours=1)


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        ({"broker": Store("amqp", "is unavailable", "see its log")},
         "The broker (amqp): is unavailable. see its log"),
        ({"database": Store("pg", "lacks the schema", "budkavle setup")},
         "The database (pg): lacks the schema. budkavle setup"),
        ({"processes": with_processes(without="filter")}, "No filter runs. budkavle run filter"),
        ({"processes": with_processes(process("filter", silent=120))},
         "The filter at host, process 7 is silent since 12:58:00. see its log"),
        ({"processes": with_processes(process("fetcher", ready={"broker": 1, "register": 0}))},
         "The fetcher at host, process 7 is not ready: register. see its log"),
        ({"queues": [queue("fetcher", dead=3)]},
         "3 dead letters of the fetcher. budkavle dead list fetcher"),
        ({"queues": [queue("filter", dead=1)]},
         "1 dead letter of the filter. budkavle dead list filter"),
        ({"queues": [queue("composer", ready=4)],
          "processes": with_processes(process("composer", handled=0), without="composer")},
         "4 wait for the composer, which has handled none for a minute. see its log"),
        ({"replicas": Replicas(3, {"budkavle.filter": 2, "budkavle.fetcher": 1})},
         "2 queues have fewer than 3 replicas: budkavle.fetcher has 1. rabbitmq-queues grow"),
        ({"replicas": Replicas(3, unknown="HTTP 401")},
         "Replicas cannot be counted: HTTP 401. BUDKAVLE_BROKER_MANAGEMENT_URL"),
        ({"uncertain": 2},
         "2 notices became uncertain in the last day. budkavle notices --status uncertain"),
        ({"unknown": [UnknownSource("SE-NEW", "qa", 5, NOON, NOON)]},
         "Systems that are not activated send: SE-NEW. budkavle source unknown"),
    ],
)  # fmt: skip
def test_each_trouble_is_named_with_what_helps(changed: dict[str, Any], trouble: str) -> None:
    assert told(**changed) == [trouble]


def test_a_process_that_is_silent_for_long_is_forgotten() -> None:
    assert told(processes=with_processes(process("filter", silent=3600))) == []


def test_a_stage_that_started_just_now_does_not_stand_still() -> None:
    young = with_processes(process("composer", handled=0, seconds=20.0), without="composer")
    assert told(queues=[queue("composer", ready=4)], processes=young) == []


def test_a_process_of_the_other_environment_is_pointed_out() -> None:
    assert told(environment="prod") == [
        f"The {stage} at host, process 7 runs for qa. BUDKAVLE_ENVIRONMENT" for stage in STAGES
    ]


def source(hsa_id: str, **changed: Any) -> SourceSystem:
    return SourceSystem(hsa_id, "A system", "qa", 5.0, 4, "anna", NOON, **changed)


def test_an_open_breaker_says_why_how_many_wait_and_when_it_is_probed() -> None:
    sick = with_processes(process("fetcher", silent=2, breakers=[breaker("SE-sick", 90)]))
    line_ends = {"SE-SICK": NOON + timedelta(seconds=40)}
    (trouble,) = told(processes=sick, sources=[source("SE-sick")], next_slots=line_ends)
    assert trouble == (
        "SE-sick: circuit breaker open since 12:58:30 (source_timed_out), up to 200 wait,"
        " next probe 13:00:10. tell its owner"
    )


def test_of_several_processes_the_first_to_open_speaks() -> None:
    two = [process("fetcher", breakers=[breaker("SE-a", opened)]) for opened in (5, 60, 10)]
    assert breakers_of(two)["SE-A"] == breaker("SE-a", 60)


def test_a_paused_source_is_named_with_the_command_that_resumes_it() -> None:
    paused = source("SE-a", paused_by="anna", paused_at=NOON)
    assert told(sources=[paused]) == [
        "SE-a: paused by anna since 2026-11-25 13:00. budkavle source resume SE-a --environment qa"
    ]
