"""The jobs and schedules of the service.

A job is an async function. It gets the services that the API uses, and the arguments of `enqueue`. It may be attempted
more than once, so its effects must be safe to repeat (docs/jobs.md).
"""

from datetime import timedelta
from uuid import UUID

from app.features.payments.jobs import CANCEL_UNPAID_ORDERS, DELIVER_RECEIPT
from app.platform.jobs.registry import Handler, Registry, Schedule
from app.services import Services


async def deliver_receipt(services: Services, owner: UUID, order_id: UUID) -> None:
    """Send the receipt of a paid order to its receivers."""
    await services.payments.deliver_receipt(owner, order_id)


async def cancel_unpaid_orders(services: Services) -> None:
    """Cancel the orders that were not paid in time."""
    await services.payments.cancel_unpaid()


# add the functions of your jobs below


JOBS: Registry[Services] = Registry(
    Handler(DELIVER_RECEIPT, deliver_receipt),
    Handler(CANCEL_UNPAID_ORDERS, cancel_unpaid_orders),
    # add your own below
)

SCHEDULES: tuple[Schedule, ...] = (
    Schedule(CANCEL_UNPAID_ORDERS, every=timedelta(minutes=5)),
    # add your own below
)
