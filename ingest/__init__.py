"""The gateway: SOAP in, one queue message for each accepted request.

Reads: `ProcessNotification` and `PingForConfiguration` over HTTP (RIV-TA basic profile 2.1).
Writes: `Notification` to the queue of the filter; OK is answered only after the broker's confirm.
Drops: nothing. A request is taken whole, refused with the element at fault named, or answered with
a Fault, so that the index sends it again.
"""
