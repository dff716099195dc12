"""The features of the service, one folder each: its routes, models, schemas, errors, queries and service.

A folder here is found by its name: its `routes.router` is served under `/api/v1`, its `models` are known to Alembic.
"""
