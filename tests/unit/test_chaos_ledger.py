"""The ledger reads inboxes in the order of writing, whoever else looks at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest

from tests.chaos.ledger import Ledger

_PATIENT = ("191212121212", "SE1")


def _row(name: str, second: int) -> dict[str, Any]:
    return {
        "id": name,
        "patient": _PATIENT[0],
        "source_system": _PATIENT[1],
        "kind": "booking_confirmation",
        "booking_id": name,
        "starts": "",
        "state": {"performer_name": ""},
        "change_id": name,
        "created_at": datetime(2026, 11, 26, tzinfo=UTC) + timedelta(seconds=second),
    }


class _Database:
    """Each read gets the next of `reads`, and ends when it is let."""

    def __init__(self, *reads: list[dict[str, Any]]) -> None:
        self._reads = [(rows, Event()) for rows in reads]
        self.ends = [end for _, end in self._reads]
        self.reading = Event()

    @contextmanager
    def begin(self) -> Iterator["_Database"]:
        self._rows, end = self._reads.pop(0)
        yield self
        self.reading.set()
        assert end.wait(10)

    def execute(self, _wanted: object) -> "_Database":
        return self

    def mappings(self) -> "_Database":
        return self

    def all(self) -> list[dict[str, Any]]:
        return self._rows


def test_the_last_look_of_a_thread_puts_nothing_out_of_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, last = _row("first", 0), _row("last", 60)
    database = _Database([last], [first, last])
    monkeypatch.setattr("tests.chaos.ledger.open_database", lambda *_, **__: database)
    ledger = Ledger("")
    looking = Thread(target=ledger.look)
    looking.start()
    assert database.reading.wait(10)
    told = Thread(target=ledger.all_told)
    told.start()
    told.join(0.1)
    for reader, end in zip((looking, told), database.ends, strict=True):
        end.set()
        reader.join()
    assert [message.id for message in ledger.told[_PATIENT]] == ["first", "last"]
