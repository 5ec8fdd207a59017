"""The embedded broker: durable queues in one SQLite file, for one machine."""
