"""Everything of HTTP that is not about one feature: middleware, problem documents, health, OpenAPI."""
