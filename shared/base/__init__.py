"""What every room stands on: settings, clock, ids, logging, metrics, redaction."""
