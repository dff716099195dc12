"""How signing in can fail."""

from app.platform.errors import NotAuthenticated


class InvalidCredentials(NotAuthenticated):
    """No active user has this address and this password."""

    code = "invalid_credentials"
    title = "Wrong email address or password"


class InvalidRefreshToken(NotAuthenticated):
    """The refresh token is unknown, expired, revoked, or was used longer ago than the grace."""

    code = "invalid_refresh_token"
    title = "Invalid refresh token"
