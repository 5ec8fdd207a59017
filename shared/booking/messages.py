"""The messages between the stages: one frozen type for each reader, as versioned JSON.

=================  ==========================  ================
message            written by                  read by
=================  ==========================  ================
`Notification`     ingest                      filter
`BookingChange`    filter, composer            fetcher
`FetchedBooking`   fetcher, filter             composer
`NoticeOrder`      composer                    notifier
=================  ==========================  ================

A field may be added to a version as long as it has a default: readers ignore unknown
fields, so stages can be upgraded one at a time. Anything else is a new version.
"""

from functools import cached_property
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.base.errors import UndecodableMessage
from shared.base.ids import PERSON_NUMBER_PATTERN, spell
from shared.booking.identity import SCHEDULING, BookingKey, PersonNumber, service_domain
from shared.booking.notices import Channel


class Part(BaseModel):
    """A frozen part of a message. Errors do not show its values: they may name a patient."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class QueueMessage(Part):
    """A message between two stages. `queue` is the stage that reads it."""

    queue: ClassVar[str]

    version: Literal[1] = 1
    notification_id: str
    correlation_id: str = ""  # x-skltp-correlation-id of the request, "" when there was none
    received_at: AwareDatetime  # when ingest took the request

    @property
    def log_context(self) -> dict[str, str]:
        """The ids in every log line about this message."""
        return {"notification_id": self.notification_id, "correlation_id": self.correlation_id}

    @property
    def identity(self) -> str:
        """An id that is the same for the same event on every redelivery and in every stage."""
        return self.notification_id

    def encode(self) -> bytes:
        # `model_dump_json` takes twice as long, because of its other options.
        return self.__pydantic_serializer__.to_json(self, exclude_defaults=True)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """The message in `body`. Raises `UndecodableMessage`, naming the fields at fault."""
        try:
            return cast("Self", cls.__pydantic_validator__.validate_json(body))  # as `encode`
        except ValidationError as error:
            faults = (
                f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['type']}"
                for fault in error.errors(include_input=False, include_context=False)
            )
            raise UndecodableMessage("; ".join(faults)) from None


class Engagement(Part):
    """The fields that we need of one `engagementTransaction`. The others are not kept.

    By law, what a notification says may be used only to make the call to its source.
    """

    deleted: bool
    patient: PersonNumber
    service_domain: str
    logical_address: str
    booking_id: str  # businessObjectInstanceIdentifier
    source_system: str
    most_recent_content: str = ""  # YYYYMMDDhhmmss, wall time; "" when absent or no such time

    @property
    def is_scheduling(self) -> bool:
        return service_domain(self.service_domain) == SCHEDULING

    @cached_property  # so that its digest is computed once, too
    def booking(self) -> BookingKey:
        return BookingKey(
            source_system=self.source_system,
            logical_address=self.logical_address,
            booking_id=self.booking_id,
            patient=self.patient,
        )


class RefusedEngagement(Part):
    """One `engagementTransaction` that could not be taken, for people to look at."""

    source_system: str = ""  # "" when it could not be read
    problem: str  # names the element at fault, never its value
    document: str = Field("", repr=False)  # as XML; "" when it was too large to be kept


class EarlierRemoval(Part):
    """A booking that an earlier request removed."""

    booking: BookingKey
    received_at: AwareDatetime  # when ingest took it
    notification_id: str  # of that request


class Notification(QueueMessage):
    """One accepted ProcessNotification request, or a part of one that was too large for a message.

    `refused`: the engagements that could not be taken. The filter separates them from the others.
    """

    queue: ClassVar[str] = "filter"

    caller: str = ""  # x-rivta-original-serviceconsumer-hsaid
    engagements: tuple[Engagement, ...] = ()
    refused: tuple[RefusedEngagement, ...] = ()
    #: What ingest took shortly before this and the broker may still hold back.
    removed_before: tuple[EarlierRemoval, ...] = ()

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not self.engagements and not self.refused:
            raise ValueError("holds no engagement")
        return self


class _ChangeMessage(QueueMessage):
    change_id: str  # derived from the notification's id, so the same on redelivery

    @property
    def identity(self) -> str:
        return self.change_id

    @property
    def log_context(self) -> dict[str, str]:
        return {**super().log_context, "change_id": self.change_id}


class RequestMember(Part):
    """Another booking of the same patient and source that the same request is about."""

    booking: BookingKey
    deleted: bool


class _BookingMessage(_ChangeMessage):
    """What a notification says about one booking of an activated booking system."""

    booking: BookingKey
    deleted: bool
    service_domain: str
    most_recent_content: str = ""
    #: What else the request removed and created, if it did both: one may have replaced another.
    same_request: tuple[RequestMember, ...] = ()
    #: The request removed and created this very booking: only attributes of its key changed.
    corrected: bool = False
    #: How often the source has been asked about this change already.
    looks: int = 0
    #: The source has been asked about another booking that may belong to it.
    asked_other: bool = False
    #: The other person number, when the request removed the booking under one number and created
    #: it under another.
    renumbered: str | None = Field(None, pattern=f"^{PERSON_NUMBER_PATTERN}$", repr=False)

    @property
    def said(self) -> dict[str, Any]:
        """These fields by name: those that a change and the fetched booking share."""
        return {name: getattr(self, name) for name in _BookingMessage.model_fields}


class MismatchWait(Part):
    """How long it is waited for what explains a reply about another person number or unit."""

    since: AwareDatetime  # the first such reply
    until: AwareDatetime  # then it is an incident
    due: AwareDatetime  # when the source was to be asked again


class BookingChange(_BookingMessage):
    """Something happened to a booking, so its source is to be asked."""

    queue: ClassVar[str] = "fetcher"

    #: When this change may be fetched, once the source's rate limit has given it a slot.
    slot: AwareDatetime | None = None
    #: When it was given that slot. In the future: by a process whose clock was wrong.
    slot_given_at: AwareDatetime | None = None
    #: Set while its reply is about another person number or unit, as nothing explains yet.
    mismatch: MismatchWait | None = None

    @property
    def whole_request(self) -> tuple["BookingChange", ...]:
        """This change, and one for each other booking of its request."""
        members = enumerate(self.same_request)
        return (self, *(self._about(member, f".{spell(number)}") for number, member in members))

    def _about(self, member: RequestMember, suffix: str) -> "BookingChange":
        this = RequestMember(booking=self.booking, deleted=self.deleted)
        changed = {
            "change_id": self.change_id + suffix,
            "booking": member.booking,
            "deleted": member.deleted,
            "same_request": (this,),
        }
        return self.model_copy(update=changed)


class BookingDetails(Part):
    """The details of a booking by its booking system; "" and None mean absent.

    Times are Swedish wall time, `YYYYMMDDhhmmss`, kept as received.
    """

    starts: str = ""  # startTimeInclusive
    ends: str = ""  # endTimeExclusive
    unit: str = ""  # healthcare_facility, an HSA-id
    unit_name: str = ""  # healthcare_facility_name
    performer: str = ""
    performer_name: str = ""
    resource_name: str = ""
    time_type_id: str = ""
    time_type_name: str = ""
    care_type_id: str = ""
    care_type_name: str = ""
    purpose: str = ""  # plain text or DocBook 5, as received
    reason: str = ""
    cancel_allowed: bool | None = None
    rebook_allowed: bool | None = None
    message_allowed: bool | None = None
    is_call_letter: bool = False  # isInvitation


class FetchedBooking(_BookingMessage):
    """A change, and the state of its booking at the source when we asked."""

    queue: ClassVar[str] = "composer"

    fetched_at: AwareDatetime  # when the call was sent: states are ordered by it
    details: BookingDetails | None  # None: the source has no such booking
    #: Of a removed booking: the source has it under this other unit (an HSA-id).
    moved_to: str = ""
    #: Of a removed booking: the source says that it is another person's.
    of_another_patient: bool = False


class NoticeOrder(_ChangeMessage):
    """Notify the patient of a new inbox message, on the channels that the patient chose."""

    queue: ClassVar[str] = "notifier"

    message_id: str  # the inbox message
    patient: PersonNumber
    booking_id: str = ""  # which the message is about; for the digest in logs
    #: Asks the booking system again, should the database have lost the message in a failover. None:
    #: written by an older composer.
    change: BookingChange | None = None
    #: After this moment the notice has no use: the announced time has passed.
    expires_at: AwareDatetime | None = None
    #: Until when it waits for other messages to the same patient. None: not yet set.
    collected_at: AwareDatetime | None = None
    #: The channels on which its notices were registered when it began to.
    registered: tuple[Channel, ...] = ()
    #: The only channel this order is for. None: all that the patient has chosen.
    channel: Channel | None = None
    #: When it may be sent, once the channel's rate limit has given it a slot.
    slot: AwareDatetime | None = None

    @property
    def identity(self) -> str:
        return f"{self.change_id}.{self.channel}" if self.channel else self.change_id

    @property
    def log_context(self) -> dict[str, str]:
        return {**super().log_context, "message_id": self.message_id}


#: Which message each stage reads.
READS: dict[str, type[QueueMessage]] = {
    message.queue: message for message in (Notification, BookingChange, FetchedBooking, NoticeOrder)
}
