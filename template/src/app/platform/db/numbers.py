"""The range of PostgreSQL's `numeric`: what drivers send in binary form has to be checked before it is sent."""

from decimal import Decimal
from typing import Any

_MOST_DIGITS = 131072
"""Before the point: the largest number of the type `numeric` has so many."""

_MOST_PLACES = 16383
"""After the point."""


def storable(value: Any) -> Any:
    """Return the value.

    Raises:
        OverflowError: it is a number with more digits before or after the point than `numeric` can have.
    """
    # a float is always within the range
    number = Decimal(value) if isinstance(value, int) else value
    if isinstance(number, Decimal) and number.is_finite():
        places = number.as_tuple().exponent
        if number.adjusted() >= _MOST_DIGITS or (isinstance(places, int) and places < -_MOST_PLACES):
            message = f"a number has more than {_MOST_DIGITS} digits, or more than {_MOST_PLACES} decimal places"
            raise OverflowError(message)
    return value
