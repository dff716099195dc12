"""Request and response bodies of users."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr

from app.platform.schemas import RequestModel, ResponseModel, Text

# Matches the addresses that a browser's email field accepts (WHATWG HTML, "valid e-mail address"), with a dot required.
_EMAIL = (
    r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+$"
)

Email = Annotated[
    str,
    Field(max_length=254, pattern=_EMAIL, examples=["ada@example.com"]),
    AfterValidator(str.lower),
]
Password = Annotated[SecretStr, Field(min_length=8, max_length=128, examples=["correct horse battery"])]
FullName = Annotated[Text, Field(min_length=1, max_length=200, examples=["Ada Lovelace"])]


class UserCreate(RequestModel):
    """A registration."""

    email: Email
    password: Password
    full_name: FullName | None = None


class UserUpdate(RequestModel):
    """The fields to change; omitted fields stay as they are."""

    full_name: FullName | None = None


class PasswordChange(RequestModel):
    """The password as it is and as it is to be."""

    current_password: SecretStr = Field(max_length=128)
    new_password: Password


class AccountUpdate(RequestModel):
    """What administrators change of an account; omitted fields and `null` leave it as it is."""

    is_active: bool | None = None
    is_admin: bool | None = None


class Rights(ResponseModel):
    """What a user may do."""

    is_admin: bool


class UserRead(ResponseModel):
    """A user's public data."""

    id: UUID
    email: str = Field(examples=["ada@example.com"])
    full_name: str | None = Field(examples=["Ada Lovelace"])
    is_active: bool
    is_admin: bool
    created_at: datetime
