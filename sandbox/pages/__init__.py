"""The sandbox's pages: a patient's inbox, and a desk at which clinics book.

The inbox is a client of the read API (docs/inbox-api.md), as a region's e-service would be; the
desk is a client of the sandbox's control API. Neither has data of its own.
"""
