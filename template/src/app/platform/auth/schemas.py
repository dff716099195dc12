"""What goes in and out about signing in."""

from typing import Literal

from pydantic import Field, SecretStr

from app.platform.schemas import FormModel, RequestModel, ResponseModel, Text


class TokenPair(ResponseModel):
    """An access token for the next minutes, and the means to get the next one."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (the name of a scheme, not a secret)
    expires_in: int = Field(description="Seconds the access token is valid for.", examples=[900])


class SignInForm(FormModel):
    """The fields of OAuth2's password flow (RFC 6749, section 4.3.2) that matter here; others are ignored."""

    grant_type: Literal["password"] = "password"
    username: Text = Field(max_length=254, description="The email address.")
    password: SecretStr = Field(max_length=128)


class RefreshRequest(RequestModel):
    """The refresh token of a pair."""

    refresh_token: SecretStr = Field(min_length=1, max_length=200)
