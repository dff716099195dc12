"""Chooses the environment of the service that is started for the test, so that it calls no server of others."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import get_type_hints

from app.config import Settings
from app.platform import reference
from app.platform.settings import PlatformSettings

# what belongs to the developer's own service, and its servers; libpq reads PG…, and OpenTelemetry OTEL_…
NOT_OURS = ("DATABASE_", "REDIS_", "TASKS_BROKER_", "TASKS_METRICS_", "PROMETHEUS_", "DEV_", "OTEL_", "PG")
NOT_OURS_EITHER = {
    *(f"DB_{part}" for part in ("HOST", "PORT", "USER", "PASSWORD", "NAME", "QUERY", "MIGRATION_URL")),
    *("HTTP_ROOT_PATH", "HTTP_DRAIN_SECONDS"),
}
PLATFORM = {name for name, _, _ in reference.variables(PlatformSettings)}
# of `.env`, but no setting of the service
COMPOSE = {"POSTGRES_PASSWORD"}


def environment_for(
    file: Mapping[str, str | None], shell: Mapping[str, str], chosen: Mapping[str, str], ours: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of the service.

    Of the developer's variables it gets the platform's settings without addresses, and those of the shell that are no
    settings, such as PATH. All others may lead to servers for mail, payments or files, so they are left out.

    Args:
        file: the variables of `.env`.
        shell: the variables of this process.
        chosen: those of the table `[environment]`, which are for the load test.
        ours: addresses and all else that must not differ.
    """

    def settings(given: Mapping[str, str | None]) -> dict[str, str]:
        allowed = {name.upper(): value for name, value in given.items() if value is not None and not _not_ours(name)}
        return {name: value for name, value in allowed.items() if name in PLATFORM}

    known = {*PLATFORM, *left_out_of(file, shell)}
    around = {name: value for name, value in shell.items() if name.upper() not in known and not _not_ours(name)}
    # a setting of the platform in the shell is for a single run, such as `make load HTTP_WORKERS=2`
    return {**settings(file), **around, **chosen, **settings(shell), **ours}


def left_out_of(file: Mapping[str, str | None], shell: Mapping[str, str]) -> list[str]:
    """Return the variables that the service does not get although `.env` or the shell has them: its own settings."""
    names, prefixes = {name for name, _, _ in reference.variables(Settings)}, tuple(_own_prefixes())
    own = {name.upper() for name in shell if name.upper() in names or name.upper().startswith(prefixes)}
    return sorted({*own, *(name.upper() for name in file)} - PLATFORM - COMPOSE)


def _not_ours(name: str) -> bool:
    return name.upper().startswith(NOT_OURS) or name.upper() in NOT_OURS_EITHER


def _own_prefixes() -> Iterator[str]:
    """Yield how the variables of each group begin that `app/config.py` adds."""
    platform, hints = {each.name for each in fields(PlatformSettings)}, get_type_hints(Settings)
    for each in fields(Settings):
        if each.name not in platform and (prefix := hints[each.name].model_config.get("env_prefix")):
            yield prefix.upper()
