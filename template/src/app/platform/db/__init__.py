"""Everything about PostgreSQL that is not about one feature."""
