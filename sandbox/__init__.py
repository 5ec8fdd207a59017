"""The outside world on loopback: what the relay talks to, for demonstrations and for tests.

* booking systems answering `GetBookingDetails`, with the quirks of real ones on demand;
* a small engagement index that takes `Update` and calls `ProcessNotification`;
* an SMTP server and the SMS providers 46elks and Sinch, whose messages can be listed.

Everything is controlled over an HTTP API. The sandbox uses the contracts of `shared` and imports no
stage: what it refuses, a strict partner would refuse.
"""
