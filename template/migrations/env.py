"""Run Alembic's migrations with the service's own settings and driver; `app/platform/db/migrating.py` says how."""

from app import models
from app.platform.db import migrating

migrating.run(models.Base.metadata)
