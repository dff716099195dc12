"""The errors of signing in and refreshing tokens."""

from app.platform.errors import NotAuthenticated


class InvalidCredentials(NotAuthenticated):
    """No active user has this email address and password."""

    code = "invalid_credentials"
    title = "Wrong email address or password"


class InvalidRefreshToken(NotAuthenticated):
    """The refresh token is unknown, expired, revoked, or was used longer ago than the grace period."""

    code = "invalid_refresh_token"
    title = "Invalid refresh token"
