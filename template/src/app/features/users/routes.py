"""Routes for users: registration, the caller's own account, administration."""

from uuid import UUID

from fastapi import APIRouter, status

from app.dependencies import ServicesDep
from app.features.users.dependencies import ActiveUser, AdminUser
from app.features.users.errors import EmailTaken, OwnAccount, UserNotFound, WrongPassword
from app.features.users.schemas import AccountUpdate, PasswordChange, UserCreate, UserRead, UserUpdate
from app.platform.auth.dependencies import ADMIN_ONLY, AUTHENTICATED, SignInAttemptsDep
from app.platform.auth.schemas import TokenPair
from app.platform.db.pagination import Page
from app.platform.errors import Forbidden
from app.platform.http.created import CREATED, Created
from app.platform.http.dependencies import Paging
from app.platform.http.limits import strict_rate_limit
from app.platform.http.openapi import responses

router = APIRouter(prefix="/users", tags=["users"])


@router.post("", status_code=status.HTTP_201_CREATED, responses=CREATED | responses(EmailTaken))
@strict_rate_limit
async def create_user(body: UserCreate, services: ServicesDep, created: Created) -> UserRead:
    """Register a user."""
    user = await services.users.create(body)
    created.at("get_user", user_id=user.id)
    return user


@router.get("/me", responses=AUTHENTICATED)
async def get_me(user: ActiveUser) -> UserRead:
    """Show the caller's account."""
    return user


@router.patch("/me", responses=AUTHENTICATED)
async def update_me(body: UserUpdate, user: ActiveUser, services: ServicesDep) -> UserRead:
    """Change the caller's account."""
    return await services.users.update(user.id, body)


@router.put("/me/password", responses=AUTHENTICATED | responses(WrongPassword))
@strict_rate_limit
async def change_password(
    body: PasswordChange, user: ActiveUser, services: ServicesDep, attempts: SignInAttemptsDep
) -> TokenPair:
    """Change the caller's password, which signs the caller out everywhere; go on with the tokens of the answer."""
    # a stolen access token must not allow more guesses than the sign-in does
    await attempts.admit(user.email)
    current, new = body.current_password.get_secret_value(), body.new_password.get_secret_value()
    return await services.auth.issue(await services.users.change_password(user.id, current, new))


@router.delete("/me", status_code=status.HTTP_204_NO_CONTENT, responses=AUTHENTICATED)
async def delete_me(user: ActiveUser, services: ServicesDep) -> None:
    """Close the caller's account; from now on its access tokens are refused."""
    await services.users.delete(user.id)


@router.get("/{user_id:uuid}", responses=ADMIN_ONLY | responses(UserNotFound))
async def get_user(user_id: UUID, user: ActiveUser, services: ServicesDep) -> UserRead:
    """Show an account: the caller's own or, for administrators, any account."""
    if user_id == user.id:
        return user
    if not user.is_admin:
        raise Forbidden
    return await services.users.get(user_id)


@router.patch("/{user_id:uuid}", responses=ADMIN_ONLY | responses(UserNotFound, OwnAccount))
async def update_account(user_id: UUID, body: AccountUpdate, admin: AdminUser, services: ServicesDep) -> UserRead:
    """Deactivate or reactivate an account, grant or take away administrator rights; for administrators only.

    Who loses something is signed out everywhere. It counts from the user's next request.
    """
    return await services.users.administer(user_id, body, by=admin.id)


@router.get("", responses=ADMIN_ONLY)
async def list_users(paging: Paging, _admin: AdminUser, services: ServicesDep) -> Page[UserRead]:
    """Show all accounts, newest first; for administrators only."""
    return await services.users.page(paging)
