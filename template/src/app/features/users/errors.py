"""The errors of users."""

from app.platform.errors import AppError


class EmailTaken(AppError):
    """Another account has this email address."""

    status = 409
    code = "email_taken"
    title = "Email address is taken"


class UserNotFound(AppError):
    """The user does not exist."""

    status = 404
    code = "user_not_found"
    title = "User not found"
