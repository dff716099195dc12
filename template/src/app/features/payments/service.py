"""Receipts of paid orders, and the cancellation of unpaid ones."""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders.errors import OrderNotFound
from app.features.orders.models import Order, OrderStatus
from app.features.orders.service import OrderService
from app.features.orders.summaries import order_summaries
from app.features.payments.jobs import DELIVER_RECEIPT
from app.features.payments.schemas import Receipt
from app.features.payments.settings import PaymentSettings
from app.platform.cache.caches import Caches
from app.platform.concurrency import fan_out
from app.platform.db.session import SessionProvider
from app.platform.http_client import HttpClient
from app.platform.jobs.attempt import PermanentFailure
from app.platform.jobs.outbox import enqueue

log = structlog.get_logger(__name__)

# orders in one statement: a larger batch holds its locks for longer
BATCH = 1000
# receivers called at a time: with fewer, slow receivers might delay the others beyond the job's time limit
RECEIVERS = 20


class PaymentService:
    """Delivers receipts, and cancels unpaid orders."""

    def __init__(
        self, database: SessionProvider, http: HttpClient, settings: PaymentSettings, caches: Caches | None = None
    ) -> None:
        self._database = database
        self._orders = OrderService(database, caches=caches)
        self._summaries = order_summaries(caches)
        self._http = http
        self._settings = settings

    async def order_paid(self, session: AsyncSession, owner: UUID, order_id: UUID) -> None:
        """Enqueue the delivery of an order's receipt in the session's transaction, if there are receivers."""
        if self._settings.webhook_urls:
            await enqueue(session, DELIVER_RECEIPT, owner=owner, order_id=order_id)

    async def deliver_receipt(self, owner: UUID, order_id: UUID) -> None:
        """Send the receipt of an order to all receivers; its `Idempotency-Key` lets them recognise repetitions.

        Raises:
            PermanentFailure: the order does not exist any more.
            ExceptionGroup: some receivers did not accept the receipt.
        """
        try:
            order = await self._orders.get(owner, order_id)
        except OrderNotFound as error:
            raise PermanentFailure(str(error)) from None
        body = Receipt.of(owner, order).model_dump(mode="json")
        headers = {"Idempotency-Key": f"receipt-{order_id}"}
        limit = self._settings.webhook_timeout

        async def deliver(url: str) -> None:
            await self._http.post(url, json=body, headers=headers, try_timeout=limit, timeout=3 * limit)

        _, failures = await fan_out(deliver, self._settings.webhook_urls, concurrency=RECEIVERS)
        if failures:
            message = f"{len(failures)} of {len(self._settings.webhook_urls)} failed"
            raise ExceptionGroup(message, [error for _, error in failures])

    async def cancel_unpaid(self) -> int:
        """Cancel orders that are unpaid for longer than `PAYMENTS_UNPAID_AFTER`, and return their number.

        Each batch is a transaction, so an interruption loses the current batch only. Orders that are being paid at this
        moment are skipped.
        """
        cancelled = 0
        while batch := await self._cancel_batch():
            cancelled += batch
        log.info("unpaid_orders_cancelled", count=cancelled)
        return cancelled

    async def _cancel_batch(self) -> int:
        age = timedelta(seconds=self._settings.unpaid_after)
        # a CTE, because PostgreSQL may run a subquery more than once, and so select more than BATCH rows
        unpaid = (
            select(Order.id)
            .where(Order.status == OrderStatus.PENDING, Order.created_at < func.now() - age)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
            .cte("unpaid")
        )
        cancel = update(Order).where(Order.id == unpaid.c.id).values(status=OrderStatus.CANCELLED)
        options = {"synchronize_session": False}
        async with self._database.transaction() as session:
            owners = (await session.scalars(cancel.returning(Order.user_id), execution_options=options)).all()
            for owner in set(owners):
                self._summaries.invalidate_after(session, owner)
        return len(owners)
