"""The jobs that orders ask for; `app/jobs.py` says what does them."""

from app.platform.jobs.outbox import Job

DELIVER_RECEIPT = Job("deliver_receipt")
CANCEL_UNPAID_ORDERS = Job("cancel_unpaid_orders", time_limit=300.0, attempts=3)
