"""The gateway: SOAP in, one queue message out for each request.

Reads: `ProcessNotification` and `PingForConfiguration` over HTTP (RIV-TA basic profile 2.1).
Writes: `Notification` to the queue of the filter; OK is answered only after the broker's confirm.
Drops: nothing of ours. Each engagement is judged by itself. The filter judges those that cannot be
taken, and the answer names the element at fault. A request that could not be stored is answered
with a Fault, so that the index sends it again.
"""

from shared.base import absent as absent
