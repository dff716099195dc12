"""Request and response bodies of the sign-in routes."""

from typing import Literal

from pydantic import Field, SecretStr

from app.platform.schemas import FormModel, RequestModel, ResponseModel, Text


class TokenPair(ResponseModel):
    """A short-lived access token, and a refresh token to get the next pair."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (the name of a scheme, not a secret)
    expires_in: int = Field(description="Seconds the access token is valid for.", examples=[900])


class SignInForm(FormModel):
    """The fields of OAuth2's password flow (RFC 6749, section 4.3.2) that are used here; others are ignored."""

    grant_type: Literal["password"] = "password"
    username: Text = Field(max_length=254, description="The email address.")
    password: SecretStr = Field(max_length=128)


class RefreshRequest(RequestModel):
    """A body with a refresh token."""

    refresh_token: SecretStr = Field(min_length=1, max_length=200)
