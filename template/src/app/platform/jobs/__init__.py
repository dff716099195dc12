"""Background jobs: they wait in PostgreSQL, and a broker tells workers to start them; none is lost or done twice."""
