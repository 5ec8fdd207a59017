"""The possible results of sending a notice. Errors of providers are translated to these.

==============  ==================================================  ==========================
result          what is known                                       what follows
==============  ==================================================  ==========================
`Accepted`      the provider has it                                 done
`Rejected`      the provider will never take it                     done
`TryLater`      this notice was not taken now; others may be        tried again
`ProviderDown`  not taken; nor would any other be now               the circuit breaker opens
`Uncertain`     it may have been taken, or not                      never sent again
==============  ==================================================  ==========================

A `detail` is for operators: short, and without the address.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Accepted:
    provider_id: str | None = None  # the provider's own id of it


@dataclass(frozen=True, slots=True)
class Rejected:
    detail: str


@dataclass(frozen=True, slots=True)
class TryLater:
    detail: str


@dataclass(frozen=True, slots=True)
class ProviderDown:
    """`wait`: how long the provider asked us to."""

    detail: str
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    detail: str


SendResult = Accepted | Rejected | TryLater | ProviderDown | Uncertain
