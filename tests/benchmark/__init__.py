"""Measures the relay: `make bench`, or some of it: `python -m tests.benchmark hop relay`.

```
hop         one hop through our runner, bare pipelined pika, and four frameworks
ingest      answer times of the gateway, against the official limit
relay       the whole relay: notifications a second, processor time by stage, memory
latency     from the request to the inbox, at an even 70 a second
neighbours  the same for healthy sources, alone and beside one that hangs and one that floods
full        the same with an empty database and with one of two million messages
backlog     a hundred thousand messages in one queue: memory and time to drain
sms         SMS over TLS, over kept connections and over new ones
scaling     the whole relay with several fetchers
dead        the operator's commands beside a hundred thousand dead letters
publish     measures nothing: writes the pages in docs/ from build/bench.json
```

Nothing here is a test: no figure of this machine can fail anybody else's build.
"""
