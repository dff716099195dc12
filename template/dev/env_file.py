"""The file `.env` of the developer."""

from pathlib import Path

from dev.errors import ServiceError

FILE = Path(__file__).resolve().parents[1] / ".env"


def variables() -> dict[str, str | None]:
    """Return the variables of the file; none if there is no file.

    Raises:
        ServiceError: it cannot be read, or is not text in UTF-8.
    """
    # imported late: the test suite uses the servers without python-dotenv
    from dotenv import dotenv_values  # noqa: PLC0415

    try:
        return dotenv_values(FILE)
    except UnicodeDecodeError as error:
        raise ServiceError(f"{FILE}: expected text in UTF-8") from error
    except OSError as error:
        raise ServiceError(f"{FILE}: {error.strerror}") from error
