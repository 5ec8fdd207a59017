"""What all five stages stand on: messages, outcomes, brokers, the runner, the database, SOAP."""

__version__ = "0.1.0"
