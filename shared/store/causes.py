"""Why a database is unavailable: one short text for each cause.

libpq gives most causes as text only. The words are ours: its own texts name users and hosts.
"""

import re

_CAUSES = (
    (r"password authentication failed|no password supplied", "wrong user or password"),
    (r'role "[^"]*" does not exist', "no such user"),
    (r'database "[^"]*" does not exist', "no such database"),
    (r"resolve host|translate host name|name or service not known", "no such host"),
    (r"connection refused", "connection refused"),
    (r"no pg_hba\.conf entry", "the server takes no connection from here"),
    (r"certificate|\bssl\b", "TLS failed"),
    (r"too many (connections|clients)|connection slots", "the server has too many connections"),
    (r"timeout expired|timed out|no response", "no answer"),
    (r'relation "[^"]*" does not exist|no such table', "not set up; run `budkavle setup`"),
    (r"unable to open database file", "the file cannot be opened"),
    (r"database is locked", "another process holds the file"),
    (r"disk is full|disk full|no space left", "the disk is full"),
    (r"read-?only", "read-only"),
)


def cause_of(error: BaseException) -> str:
    """The cause of a driver's error, else the name of its class."""
    text = str(error)
    for pattern, cause in _CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return cause
    return type(error).__name__
