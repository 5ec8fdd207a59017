"""The event loop that the sandbox runs on."""

import asyncio


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it is installed: it halves the CPU time of an SMS."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
