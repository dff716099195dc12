"""The sample as it was up to 0.3: what is left of it becomes the owner's, who renamed it or made something of it."""

from hooks.configuration import leave_group
from hooks.files import keep, keep_lines
from hooks.trees import below
from hooks.update import Update

_PLACES = (
    *(f"{root}/{name}" for root in ("src/app", "tests") for name in ("orders", "payments")),
    "src/app/api/v1/orders.py",
    *(f"tests/api/test_{name}.py" for name in ("order_imports", "order_keys", "orders")),
)


def leave_sample(update: Update) -> None:
    """Leave the files of the sample that are still there to the owner, and what lists its jobs and settings."""
    for path in [path for place in _PLACES for path in below(update.base, place)]:
        keep(update, path)
    leave_group(update, "payments", "PaymentSettings", "WebUrl")
    if below(update.mine, "src/app/payments"):
        keep_lines(update, "src/app/jobs.py")
