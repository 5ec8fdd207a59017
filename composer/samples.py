"""Made-up bookings, on which every template is tried and shown (`budkavle preview`)."""

from dataclasses import dataclass

from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails


@dataclass(frozen=True, slots=True)
class Sample:
    """One situation in which a patient gets a message."""

    kind: MessageKind
    details: BookingDetails
    previous: BookingDetails | None = None
    has_new_time: bool = False
    still_booked: tuple[BookingDetails, ...] = ()


_PURPOSE = """\
<article xmlns="http://docbook.org/ns/docbook" xmlns:xlink="http://www.w3.org/1999/xlink">
  <info><title>Inför din undersökning</title></info>
  <para>Välkommen till oss. Ta med legitimation.</para>
  <section>
    <title>Förberedelser</title>
    <itemizedlist>
      <listitem><para>Ät ingenting efter midnatt.</para></listitem>
      <listitem><para>Drick gärna ett glas vatten.</para></listitem>
    </itemizedlist>
  </section>
  <bibliography>
    <title>Läs mer</title>
    <para><link xlink:href="https://www.1177.se/undersokning">Så går det till</link></para>
  </bibliography>
</article>"""

_VISIT = BookingDetails(
    starts="20261203090000",
    ends="20261203093000",
    unit="SE2321000016-1HZ5",
    unit_name="Ögonmottagningen Sjöstad",
    performer_name="Anna Berg, läkare",
    time_type_name="Nybesök",
    care_type_name="Ögonsjukvård",
    reason="Jag ser suddigt på höger öga.",
    cancel_allowed=True,
    rebook_allowed=True,
)
_CALL = _VISIT.model_copy(update={"is_call_letter": True, "reason": "", "purpose": _PURPOSE})
_OPEN_CALL = _CALL.model_copy(update={"starts": "", "ends": ""})
_MOVED = _VISIT.model_copy(update={"starts": "20261210133000", "ends": "20261210140000"})
_LATER = _VISIT.model_copy(update={"starts": "20261217080000", "ends": "20261217083000"})
_EARLIER = _VISIT.model_copy(update={"starts": "20261210080000", "ends": "20261210083000"})
_OTHER = _VISIT.model_copy(
    update={
        "unit_name": "Ögonmottagningen Bergby",
        "performer_name": "Bo Ek, optiker",
        "reason": "",
        "purpose": "Ta med dina glasögon.",
        "rebook_allowed": False,
    }
)

#: The first of each kind is the usual one.
SAMPLES: dict[str, Sample] = {
    "booking": Sample(MessageKind.BOOKING_CONFIRMATION, _VISIT),
    "booking_of_timed_call": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        _CALL.model_copy(update={"is_call_letter": False}),
        _CALL,
    ),
    "booking_of_open_call": Sample(MessageKind.BOOKING_CONFIRMATION, _VISIT, _OPEN_CALL),
    "timed_call": Sample(MessageKind.TIMED_CALL, _CALL),
    "timed_call_of_open_call": Sample(MessageKind.TIMED_CALL, _CALL, _OPEN_CALL),
    "timed_call_of_booking": Sample(MessageKind.TIMED_CALL, _CALL, _VISIT),
    "open_call": Sample(MessageKind.OPEN_CALL, _OPEN_CALL),
    "open_call_of_timed_call": Sample(MessageKind.OPEN_CALL, _OPEN_CALL, _CALL),
    "moved": Sample(MessageKind.CHANGED_TIME, _MOVED, _VISIT),
    "moved_call": Sample(
        MessageKind.CHANGED_TIME,
        _CALL.model_copy(update={"starts": "20261210133000", "ends": ""}),
        _CALL,
    ),
    "moved_to_other_unit": Sample(
        MessageKind.CHANGED_TIME,
        _OTHER.model_copy(update={"starts": "20261210133000", "ends": "20261210140000"}),
        _CALL,
    ),
    "changed": Sample(MessageKind.CHANGED, _OTHER, _VISIT),
    "changed_open_call": Sample(
        MessageKind.CHANGED,
        _OPEN_CALL.model_copy(update={"performer_name": "", "cancel_allowed": False}),
        _OPEN_CALL.model_copy(update={"rebook_allowed": False}),
    ),
    "cancelled": Sample(MessageKind.CANCELLATION, _VISIT, _VISIT),
    "cancelled_call": Sample(MessageKind.CANCELLATION, _CALL, _CALL),
    "cancelled_open_call": Sample(MessageKind.CANCELLATION, _OPEN_CALL, _OPEN_CALL),
    "cancelled_with_new_time": Sample(MessageKind.CANCELLATION, _VISIT, _VISIT, has_new_time=True),
    "cancelled_and_another_stands": Sample(
        MessageKind.CANCELLATION, _VISIT, _VISIT, has_new_time=True, still_booked=(_MOVED,)
    ),
    "cancelled_and_others_stand": Sample(
        MessageKind.CANCELLATION,
        _VISIT,
        _VISIT,
        has_new_time=True,
        still_booked=(_MOVED, _LATER, _EARLIER),
    ),
}
