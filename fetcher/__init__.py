"""The fetcher: fetches the details of a changed booking from its booking system.

Reads `BookingChange`, writes `FetchedBooking`. No source system can delay another: each has its own
rate limit, limit on calls in flight and circuit breaker.

Drops changes of systems that are no longer activated, and changes whose visit began while the
source could not be asked. Dead-letters replies about another patient, unit or booking than asked
for (`reply_mismatch`), and service domains that no contract of ours serves.
"""

from shared.base import absent as absent
