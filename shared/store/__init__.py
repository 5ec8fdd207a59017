"""Everything that uses SQL: engine, tables, migrations, and one module per table."""
