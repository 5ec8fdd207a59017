"""Never lost, never twice: the whole relay under kill -9, restarts, cuts and sick neighbours.

```
cases           booking systems, the steps of a history, and the cases that it is judged by
clinic, stories one visit and what may become of it; visits: several that must not be confused
hostile         stories that are meant to confuse; dates: when visits begin
plan            what happens in the booking systems, from a seed, and what must be told of it
load            booking systems act it out and tell the index, which merges and notifies
indexes         the index: the sandbox's, as unforgiving as the real one, or one of somebody's
stage           servers, proxies, sandbox and several processes of every stage
havoc           kills, restarts, cuts and sickens all of them while it happens
operators       who replay dead letters and deactivate booking systems meanwhile
ledger          what stands in the end: inboxes, notices, phones, dead letters
telling         what may be announced of a visit: the oracle, which knows no code of the composer's
rebooking       how a rebooking may be announced, by when ingest took its two halves
accounts        holds what stands against what must be
report, page    the figures, and their part of docs/benchmarks.md
```

`make chaos`, or `python -m tests.chaos --count 500 --seconds 60 --seed 7`.
"""
