"""The pools that the profiles promise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """The numbers of a profile as the documentation promises them, on purpose not read from the template."""

    size: int
    overflow: int
    recycle: int

    def event(self) -> dict[str, int | str]:
        """Return these fields of the event `database_pool`."""
        return {
            "size": self.size,
            "overflow": self.overflow,
            "recycle": self.recycle,
            "total": self.size + self.overflow,
        }


POOLS = {
    "small": Pool(5, 5, 3600),
    "medium": Pool(20, 10, 1800),
    "high": Pool(50, 20, 900),
}
