"""The errors of orders."""

from app.platform.errors import AppError


class OrderNotFound(AppError):
    """The caller has no order with this id; another user's order gets the same answer."""

    status = 404
    code = "order_not_found"
    title = "Order not found"


class OrderNotPayable(AppError):
    """The order was paid or cancelled before."""

    status = 409
    code = "order_not_payable"
    title = "Order cannot be paid or cancelled any more"


class InvalidImport(AppError):
    """A line of an import is not a valid order."""

    status = 422
    code = "invalid_import"
    title = "Import refused, nothing was stored"
