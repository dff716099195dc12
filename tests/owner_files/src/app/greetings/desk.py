"""The desk at which letters are written."""

from app.config import LetterSettings


class Desk:
    """Is open while the process runs."""

    def __init__(self, settings: LetterSettings) -> None:
        self.paper = settings.paper
        self._closed = False

    async def ping(self) -> None:
        """Raise when nobody sits there."""
        if self._closed:
            raise ConnectionError

    async def close(self) -> None:
        """Go home."""
        self._closed = True
