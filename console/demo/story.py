"""What clinics do and what reaches the patient, as in docs/domain.md, "The story"."""

from collections.abc import Callable
from dataclasses import dataclass, field

from console.demo.relay import OutcomeCounts, Relay, in_days
from console.demo.scene import Scene
from console.demo.world import ClinicBooking, DemoWorld
from sandbox.clinics import (
    EYE_CLINIC,
    KNEE_CLINIC,
    LILL_TOLVAN,
    SICK_CLINIC,
    SILENT_CLINIC,
    TOLVAN,
    Clinic,
)
from shared.base.ids import new_id
from shared.booking.inbox import InboxMessage

TOLVAN_MOBILE = "+46701740605"
TOLVAN_EMAIL = "tolvan@example.se"
LILL_TOLVAN_EMAIL = "lill-tolvan@example.se"

CALL_LETTER_TEXT = """\
<article xmlns="http://docbook.org/ns/docbook" version="5.0">
  <info><title>Inför din operation</title></info>
  <para>Du är välkommen till oss för operation av ditt knä.</para>
  <section><title>Förberedelser</title>
    <para>Ät och drick inget efter klockan 24 kvällen före.</para>
    <para>Läs mer på <ulink url="https://www.1177.se/">1177.se</ulink>.</para>
  </section>
</article>"""


def set_the_scene(scene: Scene, relay: Relay) -> None:
    """Set up the story: activated systems, and the contact preferences of patients."""
    scene.chapter("A region orders activation of its booking systems")
    relay.activate(KNEE_CLINIC.source_system, "Region Exempel Tidbok")
    relay.activate(SICK_CLINIC.source_system, "Norrby Bokning")
    relay.reach(TOLVAN, sms=TOLVAN_MOBILE, email=TOLVAN_EMAIL)
    relay.reach(LILL_TOLVAN, email=LILL_TOLVAN_EMAIL)
    scene.say(
        f"{KNEE_CLINIC.source_system} and {SICK_CLINIC.source_system} are activated;"
        f" {SILENT_CLINIC.source_system} is not.\n"
        "Tolvan wants SMS and e-mail, Lill-Tolvan only e-mail."
    )


@dataclass
class Story:
    """The chapters share clinics and patients; each booking gets an id of its own in every run."""

    scene: Scene
    world: DemoWorld
    relay: Relay
    counts: Callable[[], OutcomeCounts]
    run: str = field(default_factory=lambda: new_id()[:6])
    seen: list[InboxMessage] = field(default_factory=list)

    def play(self) -> None:
        knee = self.timed_call()
        self.open_call()
        eyes = self.confirmation()
        self.not_activated()
        self.rebooking(eyes)
        self.cancellation(knee)
        self.source_down()
        self.poison()
        self.each_told_once()

    def timed_call(self) -> ClinicBooking:
        self.scene.chapter("A call letter with a time, its text in DocBook")
        knee = self._booking(
            KNEE_CLINIC,
            TOLVAN,
            startTimeInclusive=in_days(20, "0900"),
            endTimeExclusive=in_days(20, "0930"),
            performerName="Anna Exempelsson",
            purpose=CALL_LETTER_TEXT,
            isInvitation=True,
            rebooking_allowed=True,
            cancel_booking_allowed=True,
        )
        self.world.book(knee)
        message = self._message(knee, "timed_call")
        self.scene.show(message.subject, message.body_text)
        sms = self.scene.expect(
            "Tolvan's phone rings: a new message waits, and no word of what it says",
            lambda: self.world.sms_to(TOLVAN_MOBILE),
        )
        self.scene.show(f"SMS to {TOLVAN_MOBILE}", sms[-1]["message"])
        mail = self.scene.expect("... and an e-mail", lambda: self.world.mail_to(TOLVAN_EMAIL))
        self.scene.show(mail[-1]["subject"], mail[-1]["text"])
        return knee

    def open_call(self) -> None:
        self.scene.chapter("An open call letter: the patient books the time")
        call = self._booking(
            EYE_CLINIC,
            LILL_TOLVAN,
            careTypeName="Synundersökning",
            purpose="Det är dags att undersöka din syn. Boka en tid som passar dig.",
            isInvitation=True,
            rebooking_allowed=True,
        )
        self.world.book(call)
        message = self._message(call, "open_call")
        self.scene.show(message.subject, message.body_text)

    def confirmation(self) -> ClinicBooking:
        self.scene.chapter("A booking is confirmed")
        eyes = self._eye_appointment("1400")
        self.world.book(eyes)
        message = self._message(eyes, "booking_confirmation")
        self.scene.show(message.subject, message.body_text)
        return eyes

    def not_activated(self) -> None:
        self.scene.chapter("A system that is not activated books, too")
        ignored = self._booking(SILENT_CLINIC, TOLVAN, startTimeInclusive=in_days(9, "0800"))
        self.world.book(ignored)
        self.scene.expect(
            "Its notification is counted and ignored",
            lambda: self.counts()["filter", "drop", "not_activated"],
        )

    def rebooking(self, old: ClinicBooking) -> None:
        self.scene.chapter("A rebooking that the system makes by removing and creating")
        new = self._eye_appointment("1615")
        self.world.rebook(old, new)
        message = self._message(new, "changed_time")
        self.scene.show(message.subject, message.body_text)
        self.scene.expect(
            "... and nobody says that anything was cancelled",
            lambda: len(self.relay.messages_about(TOLVAN, old.booking_id)) == 1,
        )

    def cancellation(self, booking: ClinicBooking) -> None:
        self.scene.chapter("A visit is cancelled")
        self.world.cancel(booking)
        message = self._message(booking, "cancellation", among=2)
        self.scene.show(message.subject, message.body_text)

    def source_down(self) -> None:
        self.scene.chapter("A booking system is down for a while")
        self.world.break_source(SICK_CLINIC, "fault", seconds=3600)
        rash = self._skin_appointment("0815")
        waits_before = self._waits_at_fetcher()
        self.world.book(rash)
        self.scene.expect(
            "The notification waits among the delays",
            lambda: self._waits_at_fetcher() > waits_before,
        )
        self.scene.say("  The booking system comes back.")
        self.world.mend_source(SICK_CLINIC)
        self._message(rash, "booking_confirmation", timeout=40)

    def poison(self) -> None:
        self.scene.chapter("A reply about another patient than asked for")
        self.world.break_source(SICK_CLINIC, "wrong-patient", seconds=3600)
        mole = self._skin_appointment("1030")
        self.world.book(mole)
        (letter,) = self.scene.expect(
            "Nothing is delivered: it lies among the dead letters, with its reason",
            self.relay.dead_letters,
        )
        self.scene.say(f"  dead letter {letter.message_id}: {letter.dead_reason}")
        self.world.mend_source(SICK_CLINIC)
        self.scene.say("  The booking system is mended, and an operator replays the letter.")
        self.relay.replay_dead()
        self._message(mole, "booking_confirmation")
        self.scene.expect("No dead letter is left", lambda: not self.relay.dead_letters())

    def each_told_once(self) -> None:
        self.scene.chapter("Every message is announced once, by the ways its reader chose")
        tolvan = sum(message.patient == TOLVAN for message in self.seen)
        lill_tolvan = len(self.seen) - tolvan
        expected = (tolvan, tolvan, lill_tolvan)
        self.scene.expect(
            f"{tolvan} messages for Tolvan: {tolvan} SMS, {tolvan} e-mails;"
            f" {lill_tolvan} for Lill-Tolvan: {lill_tolvan} e-mails",
            lambda: self._notices_caught() == expected,
        )

    def _notices_caught(self) -> tuple[int, int, int]:
        return (
            len(self.world.sms_to(TOLVAN_MOBILE)),
            len(self.world.mail_to(TOLVAN_EMAIL)),
            len(self.world.mail_to(LILL_TOLVAN_EMAIL)),
        )

    def _waits_at_fetcher(self) -> int:
        """How many messages the fetcher has postponed so far."""
        return sum(
            count
            for (stage, outcome, _reason), count in self.counts().items()
            if stage == "fetcher" and outcome in ("retry", "postpone")
        )

    def _message(
        self, booking: ClinicBooking, kind: str, *, among: int = 1, timeout: float = 20
    ) -> InboxMessage:
        """The newest message about `booking`, once it has `among` of them; it counts as seen."""
        messages = self.scene.expect(
            f"{kind.replace('_', ' ')} in the inbox",
            lambda: self._complete(booking, kind, among),
            timeout=timeout,
        )
        newest = max(messages, key=lambda message: message.created_at)
        self.seen.append(newest)
        return newest

    def _complete(self, booking: ClinicBooking, kind: str, among: int) -> list[InboxMessage]:
        messages = self.relay.messages_about(booking.patient, booking.booking_id)
        kinds = [message.kind for message in messages]
        return messages if len(messages) == among and kind in kinds else []

    def _eye_appointment(self, clock: str) -> ClinicBooking:
        return self._booking(
            EYE_CLINIC,
            TOLVAN,
            startTimeInclusive=in_days(12, clock),
            careTypeName="Synundersökning",
            rebooking_allowed=True,
        )

    def _skin_appointment(self, clock: str) -> ClinicBooking:
        return self._booking(
            SICK_CLINIC,
            LILL_TOLVAN,
            startTimeInclusive=in_days(15, clock),
            resourceName="Sköterskemottagningen",
            cancel_booking_allowed=True,
        )

    def _booking(self, clinic: Clinic, patient: str, **details: object) -> ClinicBooking:
        booking_id = f"{self.run}-{new_id()[:6]}"
        named = {"healthcare_facility_name": clinic.name, **details}
        return ClinicBooking(clinic, booking_id, patient, named)
