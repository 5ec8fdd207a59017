"""What patients chose, on both databases."""

from collections.abc import Iterator

import pytest

from shared.booking.notices import Channel
from shared.store.contacts import ContactPreferences
from shared.store.engine import open_database
from shared.store.migrate import migrate

TOLVAN = "191212121212"
RESERVE = "19121212A1b2"


@pytest.fixture
def preferences(database_url: str) -> Iterator[ContactPreferences]:
    migrate(database_url)
    database = open_database(database_url)
    yield ContactPreferences(database)
    database.close()


def test_nothing_is_chosen_at_first(preferences: ContactPreferences) -> None:
    assert preferences.of(TOLVAN) == {}
    assert preferences.remove(TOLVAN) == 0


def test_choices_are_kept_in_their_normal_form(preferences: ContactPreferences) -> None:
    assert preferences.set(TOLVAN, Channel.SMS, "070-174 06 05") == "+46701740605"
    preferences.set(TOLVAN, Channel.EMAIL, "Tolvan@EXAMPLE.org")
    assert preferences.of(TOLVAN) == {
        Channel.SMS: "+46701740605",
        Channel.EMAIL: "Tolvan@example.org",
    }
    assert preferences.of("201212121212") == {}


def test_a_new_choice_replaces_the_old(preferences: ContactPreferences) -> None:
    preferences.set(TOLVAN, Channel.SMS, "0701740605")
    preferences.set(TOLVAN, Channel.SMS, "0701740606")
    assert preferences.of(TOLVAN) == {Channel.SMS: "+46701740606"}


def test_a_wrong_address_changes_nothing(preferences: ContactPreferences) -> None:
    preferences.set(TOLVAN, Channel.SMS, "0701740605")
    with pytest.raises(ValueError, match="not a mobile"):
        preferences.set(TOLVAN, Channel.SMS, "08-465 004 00")
    assert preferences.of(TOLVAN) == {Channel.SMS: "+46701740605"}


def test_one_channel_or_all_are_removed(preferences: ContactPreferences) -> None:
    preferences.set(TOLVAN, Channel.SMS, "0701740605")
    preferences.set(TOLVAN, Channel.EMAIL, "tolvan@example.org")
    assert preferences.remove(TOLVAN, Channel.SMS) == 1
    assert preferences.of(TOLVAN).keys() == {Channel.EMAIL}
    preferences.set(TOLVAN, Channel.SMS, "0701740605")
    assert preferences.remove(TOLVAN) == 2
    assert preferences.of(TOLVAN) == {}


def test_letters_of_reserve_numbers_match_large_and_small(preferences: ContactPreferences) -> None:
    preferences.set(RESERVE, Channel.SMS, "0701740605")
    assert preferences.of(RESERVE.upper()) == preferences.of(RESERVE.lower()) != {}
