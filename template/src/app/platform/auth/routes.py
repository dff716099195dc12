"""Signing in, staying signed in, signing out."""

from typing import Annotated

from fastapi import APIRouter, Form, status

from app.platform.auth.dependencies import AUTHENTICATED, AuthServiceDep, CurrentActor, SignInAttemptsDep
from app.platform.auth.errors import InvalidCredentials, InvalidRefreshToken
from app.platform.auth.schemas import RefreshRequest, SignInForm, TokenPair
from app.platform.http.limits import strict_rate_limit
from app.platform.http.openapi import responses

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/token", responses=responses(InvalidCredentials))
@strict_rate_limit
async def sign_in(
    form: Annotated[SignInForm, Form()], service: AuthServiceDep, attempts: SignInAttemptsDep
) -> TokenPair:
    """Exchange an email address and a password for a pair of tokens."""
    await attempts.admit(form.username)
    pair = await service.sign_in(form.username, form.password.get_secret_value())
    await attempts.remember(form.username)
    return pair


@router.post("/refresh", responses=responses(InvalidRefreshToken))
async def refresh(body: RefreshRequest, service: AuthServiceDep) -> TokenPair:
    """Exchange a refresh token for a new pair.

    For some seconds a used token gets the same new refresh token again, for two tabs at once or a lost answer. Using it
    later revokes all tokens of the same sign-in.
    """
    return await service.refresh(body.refresh_token.get_secret_value())


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
async def sign_out(body: RefreshRequest, service: AuthServiceDep) -> None:
    """Revoke a refresh token, and all other tokens of the same sign-in."""
    await service.sign_out(body.refresh_token.get_secret_value())


@router.post("/logout-everywhere", status_code=status.HTTP_204_NO_CONTENT, responses=AUTHENTICATED)
async def sign_out_everywhere(caller: CurrentActor, service: AuthServiceDep) -> None:
    """Revoke all refresh tokens of the caller; access tokens expire by themselves within minutes."""
    await service.sign_out_everywhere(caller.user_id)
