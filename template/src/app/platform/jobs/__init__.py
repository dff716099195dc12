"""Background jobs: they wait in PostgreSQL, a broker wakes the workers, and none is lost or done twice."""
