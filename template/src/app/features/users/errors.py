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


class WrongPassword(AppError):
    """The current password is wrong. Not a 401, after which clients would ask for a new access token."""

    status = 400
    code = "wrong_password"
    title = "Wrong current password"


class OwnAccount(AppError):
    """Administrators cannot take rights from themselves, so that the last one cannot do it by mistake."""

    status = 409
    code = "own_account"
    title = "Administrators cannot deactivate or demote themselves"
