"""What follows from paying, or from not paying: receipts, the end of unpaid orders. The sample of jobs."""
