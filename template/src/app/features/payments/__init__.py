"""Receipts of paid orders, and the cancellation of unpaid ones. The sample of jobs."""
