"""What can be done with greetings."""

from uuid import UUID

from app.features.users.service import UserService


class GreetingService:
    """Greets users, and strangers as well."""

    def __init__(self, users: UserService, greeting: str) -> None:
        self._users = users
        self._greeting = greeting

    async def greet(self, user_id: UUID) -> str:
        """A greeting for somebody."""
        return f"{self._greeting}, {'friend' if await self._users.knows(user_id) else 'stranger'}!"
