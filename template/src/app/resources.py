"""What a process opens once, and closes in reverse, also when opening fails half-way."""

from app.config import Settings
from app.platform.resources import PlatformResources


class Resources(PlatformResources[Settings]):
    """The open resources of a process: those of the platform, and the service's own."""

    async def open_own(self) -> None:
        """Open what only this service needs; the platform's resources are open by then."""
        # add your own below: self.search = self.add("search", SearchClient(self.settings.search))
