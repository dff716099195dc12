"""All routes of the service."""

from fastapi import APIRouter

from app.api import ops
from app.api.problems import Malformed, TooLarge, ValidationFailed, responses
from app.api.v1 import auth, orders, users
from app.errors import AppError, DatabaseUnavailable, PoolExhausted, QueryTimeout, RateLimited, WriteConflict

v1 = APIRouter(
    prefix="/api/v1",
    responses=responses(
        Malformed,
        TooLarge,
        ValidationFailed,
        RateLimited,
        AppError,
        DatabaseUnavailable,
        PoolExhausted,
        WriteConflict,
        QueryTimeout,
    ),
)
v1.include_router(auth.router)
v1.include_router(users.router)
v1.include_router(orders.router)
# add your own routers below

router = APIRouter()
router.include_router(v1)
router.include_router(ops.router)
