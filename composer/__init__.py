"""Composer: judges what happened to a booking and writes the message the patient reads.

Reads `FetchedBooking`. Writes a message to the inbox and a `NoticeOrder` about it to the notifier;
and a `BookingChange` to the fetcher when a source is to be asked again, or about another booking.
Drops what is old, was never announced, has passed, or says nothing new (`composer.verdict.Reason`).

`judgement.py` decides all that follows from one fetched booking, on what `history.py` knows.
`replacement.py` finds what took whose place among `candidates.py`; `patience.py` says how long a
source is doubted, `watermarks.py` how far the judging has come, `noticeable.py` what a patient
would notice; `verdict.py` holds what a judgement may come to. `message_text.py` puts a message
together, `wording.py` with `templates/` finds the words, `dates.py`, `docbook.py`, `richtext.py`
and `calendar_file.py` write their parts of it. `handler.py` stores, writes and publishes.
"""

from shared.base import absent as absent
