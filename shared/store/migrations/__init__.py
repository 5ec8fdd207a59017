"""The steps that bring a database to the state of `tables.py`, one module each in `versions/`.

A released step is never edited. A new one is written by hand (`down_revision` names the step before
it) with `op.batch_alter_table` for changes of a table, since SQLite alters tables only by copying
them; the migration tests hold the sum of all steps against `tables.metadata` on both databases.
"""
