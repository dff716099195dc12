"""Everything about HTTP that no single feature owns: middleware, problem documents, health, OpenAPI."""
