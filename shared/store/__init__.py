"""Everything that speaks SQL: engine, tables, migrations, and one module per table."""
