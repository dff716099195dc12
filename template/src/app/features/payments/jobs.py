"""The jobs of payments; `app/jobs.py` has their functions."""

from app.platform.jobs.job import Job

DELIVER_RECEIPT = Job("deliver_receipt")
CANCEL_UNPAID_ORDERS = Job("cancel_unpaid_orders", time_limit=300.0, attempts=3)
