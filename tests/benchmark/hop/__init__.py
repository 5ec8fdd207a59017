"""One hop, done by the relay's own runner and by others.

The hop: messages lie in a durable quorum queue; one process reads them, publishes each as
persistent and mandatory to another quorum queue, waits for the broker's confirm, and only then
acknowledges. Ours checks and logs every message as in production; the others pass the bytes on.
"""
