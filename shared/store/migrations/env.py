"""Alembic runs this file for every command. The connection comes from `shared.store.migrate`."""

from alembic import context

from shared.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
