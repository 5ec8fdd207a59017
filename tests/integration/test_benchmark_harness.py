"""The benchmark runs and counts right, at sizes at which no figure means anything."""

import pytest

from tests.benchmark.hop.race import race
from tests.benchmark.relay.load import Plan
from tests.benchmark.relay.scenes import percentiles
from tests.benchmark.report import goals, tables
from tests.services import RabbitMQ


def test_a_race_of_our_runner_and_bare_pika(rabbitmq: RabbitMQ) -> None:
    rabbitmq.start()
    lines: list[str] = []
    standings = race(rabbitmq, ["budkavle", "pika"], hops=50, repetitions=1, tell=lines.append)
    assert list(standings) == ["budkavle", "pika"]
    assert all(one.per_second > 0 and one.cpu_us > 0 for one in standings.values())
    assert len(lines) == 2


def test_what_a_plan_makes_is_the_same_each_time_and_apart_by_number() -> None:
    plan = Plan(5, first=10, sources=(1, 2), per_request=2)
    bookings = list(plan.bookings())
    assert bookings == list(Plan.from_json(plan.to_json()).bookings())
    assert len({booking.patient for booking in bookings}) == 5
    assert [booking.source for booking in bookings] == [1, 2, 1, 2, 1]
    sizes = [request.count(b"<n:engagementTransaction>") for request in plan.requests()]
    assert sizes == [2, 2, 1]


def test_percentiles_are_of_seconds_in_milliseconds() -> None:
    found = percentiles([number / 1000 for number in range(101)])
    assert (found.p50, found.p95, found.p99) == pytest.approx((50, 95, 99))


def test_goals_are_judged_by_the_figures() -> None:
    results = {
        "hop": {"budkavle": 900.0, "pika": 1000.0, "aio_pika": 300.0, "celery": 100.0},
        "hop_cpu_us": dict.fromkeys(("budkavle", "pika", "aio_pika", "celery"), 1.0),
        "neighbours": {"alone_p95": 100.0, "disturbed_p95": 115.0, "rate": 1.0,
                       "alone": {"p50": 1.0, "p95": 100.0, "p99": 1.0},
                       "disturbed": {"p50": 1.0, "p95": 115.0, "p99": 1.0}},
    }  # fmt: skip
    judged = {goal.what: goal.reached for goal in goals(results)}
    assert judged == {
        "one hop, against the best framework (aio_pika)": False,
        "one hop, against bare pipelined pika": True,
        "p95 of healthy sources beside one down and one flooding": True,
    }
    assert len(list(tables(results))) == 3
