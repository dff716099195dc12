"""All models: importing this module makes `Base.metadata` complete, as Alembic needs it."""

from app import features
from app.platform.composition import feature_modules
from app.platform.models import Base

__all__ = [
    "Base",
    # add your own below, if they belong to no feature
]

feature_modules(features, "models")
