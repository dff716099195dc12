"""All routes below `/api/v1`, in the order of the OpenAPI document."""

from fastapi import APIRouter

from app import features
from app.platform.auth.routes import router as auth
from app.platform.composition import feature_modules

ROUTERS: tuple[APIRouter, ...] = (
    auth,
    *(feature.router for feature in feature_modules(features, "routes")),
    # add your own routers below, if they belong to no feature
)
