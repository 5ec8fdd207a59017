"""Composer: decides what happened to a booking and writes the message the patient reads.

Reads `FetchedBooking`. Writes a message to the inbox and a `NoticeOrder` about it to the notifier;
and, when a booking's replacement vanished before it could be announced, a `BookingChange` that asks
the source about the booking itself. Drops what is old, was never told, has passed, or says nothing
new (`composer.decision.Silent`).

`decision.py` and `pairing.py` decide, on what `history.py` knows; `noticeable.py` says what a
patient would notice; `marks.py` remembers how far the judging came. `letter.py` puts a message
together, `wording.py` with `templates/` finds the words, `dates.py`, `docbook.py`, `richtext.py`
and `calendar_file.py` write their parts of it.
"""
