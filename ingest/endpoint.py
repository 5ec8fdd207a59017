"""One SOAP request over HTTP: let in, read, handled, answered, logged and counted."""

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import Executor

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ingest.callers import CallerPolicy, Peer
from ingest.calls import Call
from ingest.handler import Answer, Faulted, FaultReason, Pong, Refused, Taken
from ingest.intake import OVERLOADED, Intake, TurnedAway
from ingest.metrics import ENGAGEMENTS
from ingest.replies import Reply, reply_to
from shared.base.clock import Clock
from shared.base.metrics import HANDLER_SECONDS, IN_FLIGHT, outcome_counter
from shared.riv.namespaces import CORRELATION_ID_HEADER, ORIGINAL_CONSUMER_HEADER

log = structlog.get_logger()

Handle = Callable[[Call], Answer]

_STAGE = "ingest"
_MEDIA_TYPE = "text/xml; charset=utf-8"
_CHARSET = re.compile(r'charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
_LONGEST_HEADER = 128

_NOT_ALLOWED = Faulted(
    FaultReason.CALLER_NOT_ALLOWED, "Client", "The caller is not one who may call here.", 403
)
_SOAP_12 = Faulted(
    FaultReason.CONTENT_TYPE, "VersionMismatch", "SOAP 1.1 is spoken here: text/xml.", 415
)
_ENCODED = Faulted(
    FaultReason.CONTENT_TYPE, "Client", "The body must be plain XML: text/xml, not packed.", 415
)
_BUG = Faulted(FaultReason.BUG, "Server", "The request could not be handled; send it again.")


class SoapEndpoint:
    """Answers POSTed calls. Blocking work is done by `threads`, never on the event loop."""

    def __init__(
        self,
        handle: Handle,
        *,
        intake: Intake,
        callers: CallerPolicy,
        threads: Executor,
        max_in_flight: int,
        clock: Clock,
    ) -> None:
        self._handle = handle
        self._intake = intake
        self._callers = callers
        self._threads = threads
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._in_flight = 0
        self._gauge = IN_FLIGHT.labels(_STAGE)
        self._seconds = HANDLER_SECONDS.labels(_STAGE)

    async def post(self, request: Request) -> Response:
        started = time.perf_counter()
        context = {
            "caller": self._callers.caller_of(_peer(request), request.headers),
            "consumer": _header(request, ORIGINAL_CONSUMER_HEADER),
            "correlation_id": _header(request, CORRELATION_ID_HEADER),
        }
        answer = await self._answer(request, **context)
        taken = time.perf_counter() - started
        self._seconds.observe(taken)
        _report(answer, seconds=round(taken, 4), **context)
        return _response(reply_to(answer, self._clock))

    async def _answer(
        self, request: Request, *, caller: str, consumer: str, correlation_id: str
    ) -> Answer:
        if not self._callers.admits(caller):
            return _NOT_ALLOWED
        content_type = request.headers.get("content-type", "").lower()
        if objection := _objection(content_type, request.headers.get("content-encoding", "")):
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
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._handle, call)
        except Exception:
            log.exception("handler_failed")
            return _BUG
        finally:
            self._in_flight -= 1
            self._gauge.dec()


def _peer(request: Request) -> Peer:
    """As `ingest.server` found it when the connection was made."""
    peer: Peer = getattr(request.state, "peer", Peer())
    return peer


def _header(request: Request, name: str) -> str:
    """An id the platform sent; what is no reasonable id is left out."""
    value = request.headers.get(name, "")
    return (
        value if value.isascii() and value.isprintable() and len(value) <= _LONGEST_HEADER else ""
    )


def _objection(content_type: str, content_encoding: str) -> Faulted | None:
    """Only what cannot be SOAP 1.1 is objected to; other types are given a chance."""
    if content_type.startswith("application/soap+xml"):
        return _SOAP_12
    if content_type.startswith("multipart/") or content_encoding.lower() not in ("", "identity"):
        return _ENCODED
    return None


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, reply.headers, media_type=_MEDIA_TYPE)


def _report(answer: Answer, **context: object) -> None:
    """One line and one count for each answer. Comments name elements, never values."""
    outcome, reason, facts = _facts(answer)
    outcome_counter(_STAGE, outcome, reason).inc()
    if isinstance(answer, Taken):
        ENGAGEMENTS.inc(answer.engagements)
    told = {name: value for name, value in {**facts, **context}.items() if value != ""}
    if reason:
        log.warning("answered", outcome=outcome, reason=reason, **told)
    else:
        log.info("answered", outcome=outcome, **told)


def _facts(answer: Answer) -> tuple[str, str, dict[str, object]]:
    """What became of the request, why it was not taken ("" if it was), and what else to tell."""
    match answer:
        case Taken(notification_id, engagements, addressed):
            told = {"notification_id": notification_id, "engagements": engagements}
            return "publish", "", told if addressed else {**told, "addressed": False}
        case Refused(reason, comment):
            return "refuse", reason, {"comment": comment}
        case Faulted(reason, _, text, status):
            return "fault", reason, {"text": text, "status": status}
        case Pong():
            return "ping", "", {}
