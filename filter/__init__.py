"""The filter: splits a notification into one change for each booking of ours.

Reads `Notification`. Writes one `BookingChange` for each booking of an activated booking system,
which names what else of the request may belong to it, and tells the composer of each removal at
once (`FetchedBooking` with `asked` false). Drops, each with a counted reason: other service
domains, booking systems that are not activated in this environment, and what another engagement
of the same request makes needless. Engagements that ingest could not take become dead letters when
their booking system is, or may be, activated here.
"""

from shared.base import absent as absent
