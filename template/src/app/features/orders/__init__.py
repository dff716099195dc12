"""The sample feature: orders, their lines, and paying for them."""
