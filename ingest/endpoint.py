"""One SOAP request over HTTP: admitted, read, handled, answered, logged and counted."""

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import structlog
from starlette.types import Receive, Scope, Send

from ingest.asgi import HttpRequest, respond
from ingest.broker_wait import BrokerWait
from ingest.callers import CallerPolicy
from ingest.calls import Call
from ingest.engagements import Refusal
from ingest.handler import Answer, Faulted, FaultReason, NothingTaken, Pong, Taken, Unstored
from ingest.intake import OVERLOADED, Intake, TurnedAway
from ingest.metrics import ENGAGEMENTS, IGNORED, REFUSED
from ingest.soap_replies import reply_to
from shared.base.clock import Clock
from shared.base.metrics import HANDLER_SECONDS, IN_FLIGHT, outcome_counter
from shared.riv.namespaces import CORRELATION_ID_HEADER, ORIGINAL_CONSUMER_HEADER

log = structlog.get_logger()

Handle = Callable[[Call], Awaitable[Answer | Unstored]]

_STAGE = "ingest"
_PARTLY = "partly"  # some engagements of the request were left out
_CONSUMER = ORIGINAL_CONSUMER_HEADER.encode()
_CORRELATION_ID = CORRELATION_ID_HEADER.encode()
_CHARSET = re.compile(r'charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
_LONGEST_HEADER = 128
#: How many kinds of refused engagements one request may be logged with.
_MOST_KINDS = 20

_NOT_ALLOWED = Faulted(
    FaultReason.CALLER_NOT_ALLOWED, "Client", "The caller is not one who may call here.", 403
)
_SOAP_12 = Faulted(
    FaultReason.CONTENT_TYPE, "VersionMismatch", "SOAP 1.1 is spoken here: text/xml.", 415
)
_ENCODED = Faulted(
    FaultReason.CONTENT_TYPE, "Client", "The body must be plain XML: text/xml, not compressed.", 415
)
_BUG = Faulted(FaultReason.BUG, "Server", "The request could not be handled; send it again.")


class SoapEndpoint:
    """Answers POSTed calls. `handle` does no blocking work on the event loop."""

    def __init__(
        self,
        handle: Handle,
        *,
        wait: BrokerWait,
        intake: Intake,
        callers: CallerPolicy,
        max_in_flight: int,
        clock: Clock,
    ) -> None:
        self._handle = handle
        self._wait = wait
        self._intake = intake
        self._callers = callers
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._in_flight = 0
        self._gauge = IN_FLIGHT.labels(_STAGE)
        self._seconds = HANDLER_SECONDS.labels(_STAGE)

    async def post(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        started = time.perf_counter()
        context = {
            "caller": self._callers.caller_of(request.peer, request.values),
            "consumer": _id_in(request.header(_CONSUMER)),
            "correlation_id": _id_in(request.header(_CORRELATION_ID)),
        }
        answer = await self._answer(request, **context)
        taken = time.perf_counter() - started
        self._seconds.observe(taken)
        _report(answer, seconds=round(taken, 4), **context)
        await respond(send, reply_to(answer, self._clock))

    async def _answer(
        self, request: HttpRequest, *, caller: str, consumer: str, correlation_id: str
    ) -> Answer:
        if not self._callers.admits(caller):
            return _NOT_ALLOWED
        content_type = request.header(b"content-type").lower()
        if objection := _objection(content_type, request.header(b"content-encoding")):
            return objection
        charset = _CHARSET.search(content_type)
        try:
            body = await self._intake.body_of(request)
        except TurnedAway as turned_away:
            return turned_away.answer
        try:
            call = Call(
                body,
                encoding=charset[1] if charset else None,
                correlation_id=correlation_id,
                caller=consumer,
            )
            return await self._handled(call)
        finally:
            self._intake.let_go(body)

    async def _handled(self, call: Call) -> Answer:
        if self._in_flight >= self._max_in_flight:
            return OVERLOADED
        self._in_flight += 1
        self._gauge.inc()
        try:
            answer = await self._handle(call)
            return await self._wait.store(answer) if isinstance(answer, Unstored) else answer
        except Exception:
            log.exception("handler_failed")
            return _BUG
        finally:
            self._in_flight -= 1
            self._gauge.dec()


def _id_in(value: str) -> str:
    """An id that the platform sent; "" if it is not printable ASCII of reasonable length."""
    is_sound = value.isascii() and value.isprintable() and len(value) <= _LONGEST_HEADER
    return value if is_sound else ""


def _objection(content_type: str, content_encoding: str) -> Faulted | None:
    """Why the request cannot be SOAP 1.1; other content types are tried."""
    if content_type.startswith("application/soap+xml"):
        return _SOAP_12
    if content_type.startswith("multipart/") or content_encoding.lower() not in ("", "identity"):
        return _ENCODED
    return None


def _report(answer: Answer, **context: object) -> None:
    """Log one line and count one outcome. Comments name elements, never values."""
    outcome, reason, facts = _facts(answer)
    outcome_counter(_STAGE, outcome, reason).inc()
    if isinstance(answer, Taken):
        ENGAGEMENTS.inc(answer.engagements)
        IGNORED.inc(answer.ignored)
    if isinstance(answer, Taken | NothingTaken) and answer.refused:
        _report_refused(answer.notification_id, answer.refused)
    known = {name: value for name, value in {**facts, **context}.items() if value != ""}
    if reason:
        log.warning("answered", outcome=outcome, reason=reason, **known)
    else:
        log.info("answered", outcome=outcome, **known)


def _facts(answer: Answer) -> tuple[str, str, dict[str, object]]:
    """The outcome, the reason if the request was not taken whole, and what else to log."""
    match answer:
        case Taken():
            return "publish", _PARTLY if answer.refused else "", _facts_of_taken(answer)
        case NothingTaken(reason, comment, notification_id):
            return "refuse", reason, {"comment": comment, "notification_id": notification_id}
        case Faulted(reason, _, text, status):
            return "fault", reason, {"text": text, "status": status}
        case Pong():
            return "ping", "", {}


def _facts_of_taken(answer: Taken) -> dict[str, object]:
    facts: dict[str, object] = {
        "notification_id": answer.notification_id,
        "engagements": answer.engagements,
    }
    if answer.refused:
        facts["refused"] = len(answer.refused)
    if answer.ignored:
        facts["ignored"] = answer.ignored
    return facts if answer.addressed else {**facts, "addressed": False}


def _report_refused(notification_id: str, refused: Sequence[Refusal]) -> None:
    """One line for each system and kind of flaw. The filter decides what becomes of them."""
    kinds = Counter((one.kept.source_system, one.element, one.flaw) for one in refused)
    for position, ((source, element, flaw), number) in enumerate(kinds.items()):
        REFUSED.labels(element, flaw).inc(number)
        if position < _MOST_KINDS:
            log.warning(
                "engagements_refused",
                notification_id=notification_id,
                source=source or "unreadable",
                element=element,
                flaw=flaw,
                number=number,
            )
