"""Signing in, staying signed in, signing out."""

from typing import Annotated

from fastapi import APIRouter, Form, status

from app.api.dependencies import ServicesDep
from app.api.problems import responses
from app.auth.errors import InvalidCredentials, InvalidRefreshToken
from app.auth.schemas import RefreshRequest, SignInForm, TokenPair

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/token", responses=responses(InvalidCredentials))
async def sign_in(form: Annotated[SignInForm, Form()], services: ServicesDep) -> TokenPair:
    """Exchange an email address and a password for a pair of tokens."""
    return await services.auth.sign_in(form.username, form.password.get_secret_value())


@router.post("/refresh", responses=responses(InvalidRefreshToken))
async def refresh(body: RefreshRequest, services: ServicesDep) -> TokenPair:
    """Exchange a refresh token for a new pair.

    For some seconds a used token gets the same refresh token again, for two tabs at once or an answer that was lost.
    Using it later revokes all tokens that came from the same sign-in.
    """
    return await services.auth.refresh(body.refresh_token.get_secret_value())


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
async def sign_out(body: RefreshRequest, services: ServicesDep) -> None:
    """Revoke a refresh token and all that came from the same sign-in."""
    await services.auth.sign_out(body.refresh_token.get_secret_value())
