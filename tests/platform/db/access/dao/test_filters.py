"""Filters, each executed by the server."""

from typing import Any

import pytest

from app.features.users.models import User
from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.filters import condition


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, "ada bob cyd"),
        ({"email": "ada"}, "ada"),
        ({"email__eq": "ada"}, "ada"),
        ({"full_name": None}, "cyd"),
        ({"email__ne": "ada"}, "bob cyd"),
        ({"full_name__ne": None}, "ada bob"),
        ({"email__lt": "bob"}, "ada"),
        ({"email__le": "bob"}, "ada bob"),
        ({"email__gt": "bob"}, "cyd"),
        ({"email__ge": "bob"}, "bob cyd"),
        ({"email__in": ["ada", "cyd", "eve"]}, "ada cyd"),
        ({"email__in": {"ada"}}, "ada"),
        ({"email__in": []}, ""),
        ({"email__not_in": ("ada", "eve")}, "bob cyd"),
        ({"email__not_in": []}, "ada bob cyd"),
        ({"email__like": "b_b"}, "bob"),
        ({"email__like": "B%"}, ""),
        ({"email__ilike": "B%"}, "bob"),
        ({"full_name__contains": "100%"}, "bob"),
        ({"full_name__contains": "d_"}, ""),
        ({"full_name__starts_with": "Ad"}, "ada"),
        ({"full_name__starts_with": "%"}, ""),
        ({"full_name__is_null": True}, "cyd"),
        ({"full_name__is_null": False}, "ada bob"),
        ({"email__ge": "ada", "email__lt": "cyd", "is_admin": False}, "bob"),
    ],
)
async def test_operator_selects(users: BaseDAO[User], filters: dict[str, Any], found: str) -> None:
    await users.insert_rows(
        [
            {"email": "ada", "password_hash": "", "full_name": "Ada", "is_admin": True},
            {"email": "bob", "password_hash": "", "full_name": "Bob 100%"},
            {"email": "cyd", "password_hash": ""},
        ]
    )
    rows = await users.querier.filter(**filters).order_by(User.email).all()
    assert " ".join(row.email for row in rows) == found
    assert await users.counter.filter(**filters).count() == len(rows)


@pytest.mark.parametrize("name", ["emial", "emial__ilike", "__eq", "is_live"])
def test_unknown_column_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"^filter '{name}': User has no column '{name.partition('__')[0]}'$"):
        condition(User, name, "x")


@pytest.mark.parametrize("operator", ["", "matches", "eq__eq"])
def test_unknown_operator_is_named_with_its_column(operator: str) -> None:
    complaint = f"^filter 'email__{operator}': no operator '{operator}' for column 'email', only eq, ne, "
    with pytest.raises(ValueError, match=complaint):
        condition(User, f"email__{operator}", "x")


async def test_all_three_builders_refuse_an_unknown_column(users: BaseDAO[User]) -> None:
    for builder in (users.querier, users.counter, users.updater):
        with pytest.raises(ValueError, match="no column 'emial'"):
            builder.filter(emial="x")
