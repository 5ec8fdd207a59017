"""Measures the relay: `make bench`, or some of it: `python -m tests.benchmark hop relay`.

```
hop         one hop through our runner, bare pipelined pika, and four frameworks
ingest      answer times of the gateway, against the official limit
relay       the whole relay: notifications a second, processor time by stage, memory
latency     from the request to the inbox, at half of that load
neighbours  the same for healthy sources, alone and beside one that hangs and one that floods
scaling     the whole relay with 1, 2 and 4 fetchers
```

Nothing here is a test: no figure of this machine can fail anybody else's build.
"""
