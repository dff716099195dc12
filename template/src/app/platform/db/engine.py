"""Make the engine of a database: its pool, the gate before it, and what listens to its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.platform.db import driver, json_values, monitoring, pool, safety
from app.platform.db.connections import OnConnect, run_on_connect
from app.platform.db.gate import Gate
from app.platform.db.held import Watch
from app.platform.settings import DatabaseSettings


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """An engine, the gate before its pool, and the watch over work that holds a connection for long."""

    engine: AsyncEngine
    gate: Gate
    watch: Watch


def open_engine(settings: DatabaseSettings, on_connect: Sequence[OnConnect] = ()) -> OpenEngine:
    """Make an engine for the URL of the settings. Its pool opens connections when they are needed.

    Raises:
        ConfigError: this service cannot use the URL.
    """
    engine = bare_engine(settings, **pool.engine_arguments(settings))
    safety.attach(engine.sync_engine, settings)
    gate, watch = pool.gate(settings), Watch(settings.hold_threshold)
    monitoring.attach(engine.sync_engine, settings, gate)
    run_on_connect(engine.sync_engine, on_connect)
    return OpenEngine(engine, gate, watch)


def readers(engine: AsyncEngine, settings: DatabaseSettings) -> AsyncEngine:
    """Return the engine for sessions that only read, on the same pool."""
    return engine.execution_options(slow_sql_threshold=settings.slow_sql_threshold, **driver.options_of_reads(settings))


def bare_engine(settings: DatabaseSettings, **arguments: Any) -> AsyncEngine:
    """Make an engine that counts and logs nothing, and whose errors are those of the driver."""
    engine = create_async_engine(
        driver.url(settings),
        connect_args=driver.connect_arguments(settings),
        json_serializer=json_values.dumps,
        json_deserializer=json_values.loads,
        # exceptions and log lines must not contain personal data
        hide_parameters=True,
        **arguments,
        **driver.engine_arguments(),
    )
    driver.attach(engine.sync_engine)
    return engine
