"""Everything about PostgreSQL that no single feature owns."""
