"""Reads delivery status notifications: the mails that say what became of a mail (RFC 3464).

Mail servers differ: in whether the mail they report of is there whole or only its headers, in what
they call that part, and in whether they give a status code of their own beside the diagnosis. What
cannot be read is an error, never a guess.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, message_from_string, policy
from email.message import Message
from enum import StrEnum

#: Ours are a few kilobytes; a report may hold the mail it is about.
LARGEST = 10 * 1024 * 1024

_STATUS_PARTS = {"message/delivery-status", "message/global-delivery-status"}
_MAIL_PARTS = {"message/rfc822", "message/global"}
_HEADER_PARTS = {"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}

_BLANK_LINES = re.compile(r"\r?\n[ \t]*\r?\n")
_NOTICE_ID = re.compile(r"(?<![a-z])[a-z]{20}(?![a-z])")  # shared.base.ids.new_id
_ENHANCED_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<!\d)([245])\d\d(?!\d)")

#: Permanent failures that say nothing of the address: our sender, a full mailbox, the size or the
#: form of the mail, its contents, a policy against us (RFC 3463).
_NOT_THE_ADDRESS = re.compile(r"5\.(1\.[78]|2\.[23]|3\..*|6\..*|7\..*)")


class Unreadable(ValueError):
    """The mail is no delivery status notification that can be read. The text says why."""


class Action(StrEnum):
    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """What became of one mail. Holds no address.

    `notice_ids`: what may be the id of the notice, the likeliest first. `code`: the enhanced status
    code (RFC 3463), "5.1.1".
    """

    notice_ids: tuple[str, ...]
    action: Action
    code: str

    @property
    def is_about_the_address(self) -> bool:
        """Whether the address itself failed, for good."""
        permanent = self.action is Action.FAILED and self.code.startswith("5.")
        return permanent and not _NOT_THE_ADDRESS.fullmatch(self.code)


def read_delivery_status(mail: bytes) -> DeliveryStatus:
    """Raises `Unreadable`."""
    if len(mail) > LARGEST:
        raise Unreadable("it is larger than 10 MiB")
    try:
        return _read(message_from_bytes(mail, policy=policy.compat32))
    except RecursionError:
        raise Unreadable("its parts are nested too deep") from None


def _read(message: Message) -> DeliveryStatus:
    parts = list(message.walk())
    blocks = [block for part in parts for block in _blocks(part)]
    recipients = [block for block in blocks if "Action" in block]
    if not blocks:
        raise Unreadable("it has no part message/delivery-status")
    if not recipients:
        raise Unreadable("it says of no recipient what became of the mail")
    action, code = max((_fate(block) for block in recipients), key=_gravity)
    notice_ids = _notice_ids(message, parts, blocks)
    if not notice_ids:
        raise Unreadable("it does not name the mail that it is about")
    return DeliveryStatus(notice_ids, action, code)


def _blocks(part: Message) -> Iterator[Message]:
    """Of a status part: the fields about the mail, then those about each recipient.

    Python knows the blocks of RFC 3464; of RFC 6533 it takes all but the first for a body.
    """
    if part.get_content_type() not in _STATUS_PARTS or not part.is_multipart():
        return
    for block in part.get_payload():
        if isinstance(block, Message):
            yield block
            further = block.get_payload()
            texts = _BLANK_LINES.split(further.strip()) if isinstance(further, str) else ()
            yield from (message_from_string(text) for text in texts if text)


def _fate(block: Message) -> tuple[Action, str]:
    word = re.match(r"[a-z]*", str(block["Action"]).strip().lower())
    try:
        action = Action(word[0] if word else "")
    except ValueError:
        raise Unreadable("its Action is none of RFC 3464") from None
    return action, _code(block, action)


def _code(block: Message, action: Action) -> str:
    """The status, or what the diagnosis has of it; a failure without either is permanent."""
    diagnosis = str(block.get("Diagnostic-Code", ""))
    status = _ENHANCED_CODE.search(str(block.get("Status", "")))
    precise = _ENHANCED_CODE.search(diagnosis)
    if status and not (status[1].endswith(".0.0") and precise and precise[1][0] == status[1][0]):
        return status[1]
    if precise:
        return precise[1]
    if reply := _REPLY_CODE.search(diagnosis):
        return f"{reply[1]}.0.0"
    return "5.0.0" if action is Action.FAILED else ""


def _gravity(fate: tuple[Action, str]) -> tuple[bool, str]:
    action, code = fate
    return action is Action.FAILED, code


def _notice_ids(
    message: Message, parts: Sequence[Message], blocks: Sequence[Message]
) -> tuple[str, ...]:
    """From the envelope id, the headers of the mail reported of, and what this one answers."""
    texts = [str(block.get("Original-Envelope-Id", "")) for block in blocks]
    for part in parts:
        texts += _ids_of_original(part)
    texts += [str(message.get(name, "")) for name in ("In-Reply-To", "References")]
    return tuple(dict.fromkeys(found for text in texts for found in _NOTICE_ID.findall(text)))


def _ids_of_original(part: Message) -> Iterator[str]:
    kind = part.get_content_type()
    if kind in _MAIL_PARTS and part.is_multipart():
        yield from (str(each.get("Message-ID", "")) for each in part.get_payload()
                    if isinstance(each, Message))  # fmt: skip
    elif kind in _HEADER_PARTS:
        content = part.get_payload(decode=True)
        raw = content if isinstance(content, bytes) else part.as_bytes()
        for each in (message_from_bytes(raw.lstrip()), *_inner(part)):
            yield str(each.get("Message-ID", ""))


def _inner(part: Message) -> list[Message]:
    """Python parses any unknown `message/…` as a mail of its own."""
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if part.is_multipart() else []
