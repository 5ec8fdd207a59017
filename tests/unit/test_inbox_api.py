"""What the inbox read API answers: its description, its errors, paging, ETags and limits."""

import json
from datetime import timedelta

import pytest
from openapi_spec_validator import validate

from console.inbox_api.access import PATIENT_HEADER
from console.inbox_api.views import actions, end_time, local_time
from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails
from shared.store.engine import DatabaseUnavailable
from tests.inbox_api import (
    NAMED,
    NOON,
    OTHER_PATIENT,
    PATIENT,
    ReaderInMemory,
    a_message,
    a_rate,
    check,
    client_of,
    described,
)

OTHER = {PATIENT_HEADER: OTHER_PATIENT}


def test_the_description_is_openapi_3_1_and_is_served() -> None:
    validate(described())
    assert described()["openapi"].startswith("3.1")
    answer = client_of(ReaderInMemory()).get("/openapi.json")
    assert answer.json() == described()
    check(answer, "describe")


def test_the_description_names_the_paths_that_there_are() -> None:
    routes = {
        (route.path, method.lower())
        for route in client_of(ReaderInMemory()).app.routes  # type: ignore[attr-defined]
        for method in route.methods - {"HEAD"}
    }
    said = {(path, method) for path, methods in described()["paths"].items() for method in methods}
    assert said == routes


def test_a_list_is_newest_first_and_says_how_many_are_unread() -> None:
    reader = ReaderInMemory([a_message(1), a_message(2, read=True), a_message(3)])
    answer = client_of(reader).get("/v1/messages", headers=NAMED)
    check(answer, "listMessages")
    said = answer.json()
    assert [one["id"] for one in said["messages"]] == ["messaged", "messagec", "messageb"]
    assert said["unread"] == 2
    assert said["next_cursor"] is None
    assert said["messages"][0]["starts"] == "2026-12-03T09:00:00+01:00"


def test_pages_follow_each_other_when_messages_come_and_go_between_them() -> None:
    reader = ReaderInMemory([a_message(number) for number in range(1, 6)])
    client = client_of(reader)
    first = client.get("/v1/messages?limit=2", headers=NAMED).json()
    reader.messages.insert(0, a_message(7))
    reader.messages = [one for one in reader.messages if one.id != first["messages"][-1]["id"]]
    query = {"limit": "2", "cursor": first["next_cursor"]}
    second = client.get("/v1/messages", params=query, headers=NAMED)
    check(second, "listMessages")
    assert [one["id"] for one in second.json()["messages"]] == ["messaged", "messagec"]


def test_a_message_says_what_can_be_done_and_which_booking_it_is_about() -> None:
    answer = client_of(ReaderInMemory([a_message()])).get("/v1/messages/messageb", headers=NAMED)
    check(answer, "getMessage")
    said = answer.json()
    assert said["actions"] == ["rebook", "cancel"]
    assert said["html"] == "<p>Du har en bokad tid.</p>"
    assert said["ends"] == "2026-12-03T09:30:00+01:00"
    assert said["booking"]["booking_id"] == "B1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"state": BookingDetails(rebook_allowed=True), "starts": ""}, ["book"]),
        (
            {
                "state": BookingDetails(rebook_allowed=True, cancel_allowed=True),
                "starts": "",
            },
            ["book", "decline"],
        ),
        ({"state": BookingDetails(starts="20261203090000")}, []),
        ({"kind": MessageKind.CANCELLATION}, []),
        ({"superseded_by": "messagec"}, []),
        ({"starts": "20261201130000"}, []),  # 12:00 UTC: it begins now
        ({"starts": "20261201130001"}, ["rebook", "cancel"]),
    ],
)
def test_nothing_can_be_done_about_what_is_over(
    values: dict[str, object], expected: list[str]
) -> None:
    assert actions(a_message(**values), NOON) == expected


def test_a_time_that_is_none_is_left_out() -> None:
    assert local_time("") is None
    assert local_time("20261399000000") is None


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        ("20261203090000", "20261203093000", "2026-12-03T09:30:00+01:00"),
        ("20270328023000", "20270328031500", "2027-03-28T03:15:00+01:00"),  # the missing hour
        ("20271031023000", "20271031031500", "2027-10-31T03:15:00+02:00"),  # the doubled hour
        ("20271031023000", "20271031021500", "2027-10-31T02:15:00+01:00"),
        ("20261203090000", "20261203090000", None),
        ("20261203090000", "20261203080000", None),
        ("20261203090000", "", None),
        ("", "20261203093000", None),
    ],
)
def test_the_end_is_after_the_start_or_none(starts: str, ends: str, expected: str | None) -> None:
    assert end_time(BookingDetails(starts=starts, ends=ends)) == expected


def test_a_calendar_file_is_handed_out_as_a_file() -> None:
    client = client_of(ReaderInMemory([a_message(), a_message(2, has_calendar=False)]))
    answer = client.get("/v1/messages/messageb/calendar", headers=NAMED)
    check(answer, "getCalendar")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="besok.ics"'
    without = client.get("/v1/messages/messagec/calendar", headers=NAMED)
    assert without.status_code == 404
    check(without, "getCalendar")


def test_a_mark_may_be_repeated() -> None:
    reader = ReaderInMemory([a_message()])
    for _ in range(2):
        answer = client_of(reader).put("/v1/messages/messageb/read", headers=NAMED)
        assert answer.status_code == 204
        check(answer, "markRead")
    assert reader.marked == ["messageb", "messageb"]


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/v1/messages/{}", "getMessage"),
        ("GET", "/v1/messages/{}/calendar", "getCalendar"),
        ("PUT", "/v1/messages/{}/read", "markRead"),
    ],
)
def test_another_patients_message_is_as_one_that_never_was(
    method: str, path: str, operation: str
) -> None:
    client = client_of(ReaderInMemory([a_message()]))
    others = client.request(method, path.format("messageb"), headers=OTHER)
    none = client.request(method, path.format("nosuch"), headers=NAMED)
    assert others.status_code == none.status_code == 404
    assert others.json() == none.json()
    check(others, operation)


@pytest.mark.parametrize("odd", ["%00", "a%2Fb", "å", "x" * 41, PATIENT + "-"])
def test_what_is_no_id_never_reaches_the_database(odd: str) -> None:
    class Refusing:
        def message(self, patient: str, message_id: str) -> None:
            raise AssertionError(message_id)

    if odd.startswith(PATIENT):
        odd += "%20"
    answer = client_of(Refusing()).get(f"/v1/messages/{odd}", headers=NAMED)
    assert answer.status_code == 404


def test_whoever_has_the_answer_gets_304() -> None:
    reader = ReaderInMemory([a_message()])
    client = client_of(reader)
    for path, operation in [
        ("/v1/messages", "listMessages"),
        ("/v1/messages/messageb", "getMessage"),
        ("/v1/messages/messageb/calendar", "getCalendar"),
        ("/openapi.json", "describe"),
    ]:
        etag = client.get(path, headers=NAMED).headers["ETag"]
        for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            again = client.get(path, headers={**NAMED, "If-None-Match": given})
            assert again.status_code == 304
            check(again, operation)
    etag = client.get("/v1/messages", headers=NAMED).headers["ETag"]
    reader.messages[0] = a_message(read=True)
    changed = client.get("/v1/messages", headers={**NAMED, "If-None-Match": etag})
    assert changed.status_code == 200


def test_head_has_the_headers_alone() -> None:
    client = client_of(ReaderInMemory([a_message()]))
    whole, head = (client.request(how, "/v1/messages", headers=NAMED) for how in ("GET", "HEAD"))
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]


@pytest.mark.parametrize(
    ("query", "element"),
    [
        ("limit=0", "query limit"),
        ("limit=101", "query limit"),
        ("limit=%C2%B2", "query limit"),  # ², a digit to str.isdigit
        ("limit=", "query limit"),
        ("cursor=", "query cursor"),
        ("cursor=abc", "query cursor"),
        ("cursor=%C3%A5", "query cursor"),
        (f"cursor={'a' * 200}", "query cursor"),
        (f"patient={PATIENT}", "query"),
    ],
)
def test_an_error_names_the_element_and_repeats_no_value(query: str, element: str) -> None:
    answer = client_of(ReaderInMemory()).get(f"/v1/messages?{query}", headers=NAMED)
    assert answer.status_code == 400
    check(answer, "listMessages")
    assert answer.json()["element"] == element
    assert PATIENT not in answer.text


@pytest.mark.parametrize(
    ("headers", "status", "element"),
    [
        ([], 400, "header Budkavle-Patient"),
        ([(PATIENT_HEADER, "tolvan")], 400, "header Budkavle-Patient"),
        (
            [(PATIENT_HEADER, PATIENT), (PATIENT_HEADER, OTHER_PATIENT)],
            400,
            "header Budkavle-Patient",
        ),
        ([(PATIENT_HEADER, PATIENT), ("Host", "pages.example")], 403, "header Host"),
        ([(PATIENT_HEADER, PATIENT), ("Host", "127.0.0.1.pages.example:80")], 403, "header Host"),
        ([(PATIENT_HEADER, PATIENT), ("Host", "[::1")], 403, "header Host"),
    ],
)
def test_without_an_issuer_the_header_names_the_patient_on_loopback(
    headers: list[tuple[str, str]], status: int, element: str
) -> None:
    answer = client_of(ReaderInMemory()).get("/v1/messages", headers=headers)
    assert answer.status_code == status
    assert answer.json()["element"] == element
    check(answer, "listMessages")


def test_too_many_requests_are_refused_for_a_while() -> None:
    client = client_of(ReaderInMemory(), service_rate=a_rate(burst=2))
    answers = [client.get("/v1/messages", headers=NAMED) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    check(answers[-1], "listMessages")


def test_a_database_that_is_away_is_waited_for() -> None:
    class Away:
        def page(self, patient: str, **_: object) -> None:
            raise DatabaseUnavailable("no such host")

    answer = client_of(Away()).get("/v1/messages", headers=NAMED)
    assert answer.status_code == 503
    check(answer, "listMessages")


def test_a_bug_shows_nothing_of_itself() -> None:
    class Broken:
        def page(self, patient: str, **_: object) -> None:
            raise RuntimeError(patient)

    answer = client_of(Broken()).get("/v1/messages", headers=NAMED)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert PATIENT not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nope", 404), ("POST", "/v1/messages", 405), ("DELETE", "/v1/messages/x", 405)],
)
def test_what_there_is_not_is_a_problem_as_well(method: str, path: str, status: int) -> None:
    answer = client_of(ReaderInMemory()).request(method, path, headers=NAMED)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/nosuch", "/nope"])
def test_every_answer_is_private_and_runs_nothing(path: str) -> None:
    headers = client_of(ReaderInMemory()).get(path, headers=NAMED).headers
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert PATIENT_HEADER in headers["Vary"]


def test_a_visit_that_passes_changes_the_etag() -> None:
    """What can be done depends on the time, so a reader must see it end."""
    reader = ReaderInMemory([a_message()])
    before = client_of(reader).get("/v1/messages/messageb", headers=NAMED)
    later = client_of(reader, clock=lambda: NOON + timedelta(days=9))
    after = later.get("/v1/messages/messageb", headers=NAMED)
    assert json.loads(after.text)["actions"] == []
    assert before.headers["ETag"] != after.headers["ETag"]
