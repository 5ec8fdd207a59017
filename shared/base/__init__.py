"""The basis of all rooms: settings, clock, ids, logging, metrics, redaction."""
