"""Composer: judges what happened to a booking and writes the message the patient reads.

Reads `FetchedBooking`. Writes a message to the inbox and a `NoticeOrder` about it to the notifier;
and, when a booking's replacement vanished before it could be announced, a `BookingChange` that asks
the source about the booking itself. Drops what is old, was never announced, has passed, or says
nothing new (`composer.judgement.Reason`).

`judgement.py` decides all that follows from one fetched booking, on what `history.py` knows and
with the pairs that `pairing.py` finds; `noticeable.py` says what a patient would notice.
`message_text.py` puts a message together, `wording.py` with `templates/` finds the words,
`dates.py`, `docbook.py`, `richtext.py` and `calendar_file.py` write their parts of it. `handler.py`
stores, writes and publishes.
"""
