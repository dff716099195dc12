"""Every job of the service: what does it, and when it is done by itself.

A job is a plain function: it gets the services that the API uses, and what it was enqueued with. It may be tried more
than once, so it does nothing twice that must happen once (docs/jobs.md).
"""

from datetime import timedelta
from uuid import UUID

from app.features.payments.jobs import CANCEL_UNPAID_ORDERS, DELIVER_RECEIPT
from app.platform.jobs.registry import Handler, Registry, Schedule
from app.services import Services


async def deliver_receipt(services: Services, owner: UUID, order_id: UUID) -> None:
    """Tell whoever wants to know that an order was paid."""
    await services.payments.deliver_receipt(owner, order_id)


async def cancel_unpaid_orders(services: Services) -> None:
    """Cancel the orders that nobody paid in time."""
    await services.payments.cancel_unpaid()


JOBS: Registry[Services] = Registry(
    Handler(DELIVER_RECEIPT, deliver_receipt),
    Handler(CANCEL_UNPAID_ORDERS, cancel_unpaid_orders),
    # add your own below
)

SCHEDULES: tuple[Schedule, ...] = (
    Schedule(CANCEL_UNPAID_ORDERS, every=timedelta(minutes=5)),
    # add your own below
)
