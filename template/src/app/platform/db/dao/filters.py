"""The filters of builders, which are those of all ways to read."""

from app.platform.db.filters import Condition, condition

__all__ = ["Condition", "condition"]
