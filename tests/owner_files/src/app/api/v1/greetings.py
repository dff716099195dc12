"""Greetings."""

from uuid import UUID

from fastapi import APIRouter

from app.dependencies import DeskDep, ServicesDep
from app.platform.auth.dependencies import AUTHENTICATED, CurrentActor

router = APIRouter(prefix="/greetings", tags=["greetings"], responses=AUTHENTICATED)


@router.get("/{user_id}")
async def greet(user_id: UUID, caller: CurrentActor, services: ServicesDep, desk: DeskDep) -> dict[str, str]:
    """Greet somebody."""
    greeting = await services.greetings.greet(user_id)
    return {"from": str(caller.user_id), "greeting": greeting, "paper": desk.paper}
