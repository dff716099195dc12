"""`make fuzz`: send generated requests to every operation of the running service, and check them by its OpenAPI."""
