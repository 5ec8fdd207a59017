"""The outside world on loopback: what the relay talks to, for demonstrations and for tests.

* booking systems answering `GetBookingDetails`, with the quirks of real ones on demand;
* a small engagement index that takes `Update` and calls `ProcessNotification`;
* an SMTP server and the SMS provider 46elks, whose catch can be listed.

Everything is steered over an HTTP control API. It knows the contracts from `shared` and nothing
of the stages: what it refuses, a strict partner would refuse.
"""
