"""Greetings."""

from uuid import UUID

from fastapi import APIRouter

from app.api.dependencies import AUTHENTICATED, CurrentActor, ServicesDep

router = APIRouter(prefix="/greetings", tags=["greetings"], responses=AUTHENTICATED)


@router.get("/{user_id}")
async def greet(user_id: UUID, caller: CurrentActor, services: ServicesDep) -> dict[str, str]:
    """Greet somebody."""
    return {"from": str(caller.user_id), "greeting": await services.greetings.greet(user_id)}
