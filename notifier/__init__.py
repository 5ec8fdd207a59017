"""Notifier: an SMS and an e-mail, as the patient chose, about new messages in the inbox.

Reads `NoticeOrder` from its queue, and the patient's choices at the time of sending.
Writes one notice per inbox message and channel, ever (table `notice`); those that wait together for
one patient and channel go out as one. An order for several channels becomes one order per channel,
on its own queue.
Drops orders that nobody wants, that came too late, and those whose notice is already out.
"""

from shared.base import absent as absent
