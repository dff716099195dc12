"""Orders whose payment has consequences."""

from uuid import UUID

from app.config import PaymentSettings
from app.db.joined import Joined
from app.db.session import SessionProvider
from app.orders.schemas import OrderRead
from app.orders.service import OrderService
from app.payments.jobs import DELIVER_RECEIPT
from app.tasks.outbox import enqueue


class OrdersWithReceipts(OrderService):
    """The orders of `app.orders`, with a receipt for each that is paid, if anybody receives them."""

    def __init__(self, database: SessionProvider, settings: PaymentSettings) -> None:
        super().__init__(database)
        self._receipts = bool(settings.webhook_urls)

    async def pay(self, owner: UUID, order_id: UUID) -> OrderRead:
        """Pay a pending order, and have its receipt delivered: both, or neither.

        Raises:
            OrderNotFound: the owner has none with this id.
            OrderNotPayable: it was paid or cancelled before.
        """
        if not self._receipts:
            return await super().pay(owner, order_id)
        async with self._database.transaction() as session:
            order = await OrderService(Joined(session)).pay(owner, order_id)
            await enqueue(session, DELIVER_RECEIPT, owner=owner, order_id=order_id)
        return order
