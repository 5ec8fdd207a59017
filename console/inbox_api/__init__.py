"""The inbox read API: how a region's e-service reads what the relay writes (docs/inbox-api.md).

Reads `inbox_message`; writes its column `read` alone. Who calls is known by a bearer token, and
the patient by the token or by a header: no person number stands in a path, a query or a log.
"""
