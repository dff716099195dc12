"""How dealing with users can fail."""

from app.platform.errors import AppError


class EmailTaken(AppError):
    """Somebody else has an account with this address."""

    status = 409
    code = "email_taken"
    title = "Email address is taken"


class UserNotFound(AppError):
    """There is no such user."""

    status = 404
    code = "user_not_found"
    title = "User not found"
