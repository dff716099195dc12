"""The middleware, one class in each file; `app/middleware.py` arranges them."""
