"""The fetcher: asks the booking system what it says of a booking that changed.

Reads `BookingChange`, writes `FetchedBooking`. One source system never harms another: each has its
own rate, its own cap on calls in flight and its own circuit breaker.

Drops changes of systems that are no longer activated, and changes whose visit began while the
source could not be asked. Dead-letters replies about another patient, unit or booking than asked
for (`reply_mismatch`), and service domains that no contract of ours serves.
"""
