"""`make fuzz`: hundreds of generated requests to every operation of the running service, judged by its own OpenAPI."""
