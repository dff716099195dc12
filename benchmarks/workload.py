"""The initial data of all databases, and the measured requests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from benchmarks import peer
from benchmarks.apps import App, Kind
from benchmarks.load import http, json_request, once
from benchmarks.server import Cores, Server, ServerError
from tests.shell import environment, run

FORM = {"content-type": "application/x-www-form-urlencoded"}
PASSWORD = "correct horse battery staple"  # noqa: S105 - of users in a temporary database
# Two users, so that the orders that the reader lists do not grow while the writer adds orders.
READER, WRITER = "reader@example.com", "writer@example.com"
LINES = [
    {"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499},
    {"sku": "CUP-1", "quantity": 1, "unit_price_cents": 1250},
]
# 1000 users; 200 orders of the reader and 800 of others, with two lines each
SEED = (
    """INSERT INTO users (id, email, password_hash, is_active, is_admin)
    SELECT gen_random_uuid(), 'user' || n || '@example.com', '-', true, false FROM generate_series(1, 998) n""",
    """INSERT INTO orders (id, user_id, status, total_cents, created_at)
    SELECT gen_random_uuid(), id, 'pending', 2248, now() - n * interval '1 minute'
    FROM users, generate_series(1, 200) n WHERE email IN ('{reader}', 'user1@example.com', 'user2@example.com',
    'user3@example.com', 'user4@example.com')""",
    """INSERT INTO order_lines (order_id, position, sku, quantity, unit_price_cents)
    SELECT id, n, 'TEA-' || n, n, 499 FROM orders, generate_series(1, 2) n""",
    # vacuuming in the background would disturb the measurements
    *(f"ALTER TABLE {table} SET (autovacuum_enabled = false)" for table in ("users", "orders", "order_lines")),
    "ANALYZE",
)


@dataclass(frozen=True)
class Person:
    """A user of the services."""

    id: str
    headers: Mapping[str, str] = field(default_factory=dict)


# the reader and the writer
People = tuple[Person, Person]


# returns the bytes to send for a reader and a writer
Ask = Callable[[Person, Person], bytes]


def _get(path: str) -> Ask:
    return lambda reader, _: http("GET", path.format(reader=reader.id), reader.headers)


def _post(path: str, content: Mapping[str, object]) -> Ask:
    return lambda _, writer: json_request(path, content, writer.headers)


@dataclass(frozen=True)
class Endpoint:
    """A measured request, and the number of requests in a turn: a third of a second's work for the tutorial.

    The peer is skipped where it has nothing to compare with.
    """

    title: str
    requests: int
    of_service: Ask
    of_tutorial: Ask
    of_peer: Ask | None = None

    def ask(self, kind: Kind) -> Ask | None:
        """Return how apps of this kind are asked."""
        return {Kind.SERVICE: self.of_service, Kind.TUTORIAL: self.of_tutorial, Kind.PEER: self.of_peer}[kind]


READ = Endpoint(
    "GET one user by id", 300, _get("/api/v1/users/{reader}"), _get("/users/{reader}"), _get("/api/dummy/?limit=1")
)
ENDPOINTS = (
    READ,
    # its route is changed as the page says (benchmarks/apps.py); another tree may not have that page yet
    Endpoint(
        "GET the caller by the plain route of docs/tuning.md", 300, _get("/api/v1/users/me"), _get("/users/{reader}")
    ),
    Endpoint(
        "GET a list of 50 orders with 2 lines each",
        60,
        _get("/api/v1/orders?limit=50"),
        _get("/orders?limit=50&user_id={reader}"),
        _get("/api/dummy/?limit=50"),
    ),
    Endpoint(
        "POST an order with 2 lines",
        120,
        _post("/api/v1/orders", {"lines": LINES}),
        lambda _, writer: json_request("/orders", {"user_id": writer.id, "lines": LINES}),
        lambda _, writer: json_request("/api/dummy/", {"name": "TEA-250"}, writer.headers, method="PUT"),
    ),
)


async def prepare(apps: list[App], template: Path, server_url: str, cores: Cores) -> dict[str, People]:
    """Create a database for each app, all with the same rows but the peer's; return the people of each schema."""
    sql = Sql(apps, template, server_url)
    people: dict[str, People] = {}
    for schema in dict.fromkeys(app.schema for app in apps):
        alike = [app for app in apps if app.schema == schema]
        people[schema] = _prepare_peer(alike[0], sql) if schema == peer.NAME else await _prepare(alike, sql, cores)
    return people


@dataclass(frozen=True)
class Sql:
    """Runs statements on a server, in the environment of an app."""

    apps: list[App]
    template: Path
    server_url: str

    def url(self, database: str) -> str:
        """Return the URL of a database, without a driver."""
        return urlsplit(self.server_url)._replace(path=database).geturl()

    def run(self, database: str, *statements: str) -> None:
        """Run statements on a database."""
        python = self.apps[0].command[0]
        run(python, "-m", "benchmarks.sql", self.url(database), *statements, cwd=self.template)


def _prepare_peer(app: App, sql: Sql) -> People:
    sql.run("app", f"CREATE DATABASE {app.database}")
    peer.migrate(app, sql.server_url)
    sql.run(app.database, peer.ROWS)
    return Person(""), Person("")


async def _prepare(apps: list[App], sql: Sql, cores: Cores) -> People:
    """Fill the database of a service, whose API registers reader and writer, and copy it for the other apps."""
    first = next(app for app in apps if app.is_service)
    sql.run("app", f"CREATE DATABASE {first.database}")
    env = environment(DATABASE_URL=sql.url(first.database))
    run(first.command[0], "-m", "app", "migrate", cwd=first.cwd, env=env)
    async with first.serving(sql.server_url, cores) as server:
        reader, writer = [await _register(server, email) for email in (READER, WRITER)]
    sql.run(first.database, *(statement.format(reader=READER) for statement in SEED))
    others = [app.database for app in apps if app is not first]
    sql.run("app", *(f"CREATE DATABASE {name} TEMPLATE {first.database}" for name in others))
    return reader, writer


async def requests(app: App, server: Server, reader: Person, writer: Person) -> dict[Endpoint, bytes]:
    """Return the bytes to send for each endpoint that the app has; sign in first if the app is a service."""
    if app.is_service:
        reader, writer = await sign_in(server, reader, writer)
    return {endpoint: ask(reader, writer) for endpoint in ENDPOINTS if (ask := endpoint.ask(app.kind))}


async def sign_in(server: Server, reader: Person, writer: Person) -> People:
    """Return the reader and the writer with fresh tokens."""
    return await _sign_in(server, READER, reader), await _sign_in(server, WRITER, writer)


async def _sign_in(server: Server, email: str, person: Person) -> Person:
    form = urlencode({"username": email, "password": PASSWORD}).encode()
    status, body = await once(server.port, http("POST", "/api/v1/auth/token", FORM, form))
    if status != 200:
        raise ServerError(f"signing in was answered with {status}: {body.decode()}")
    return Person(person.id, {"authorization": f"Bearer {json.loads(body)['access_token']}"})


async def _register(server: Server, email: str) -> Person:
    account = {"email": email, "password": PASSWORD, "full_name": "Ada Lovelace"}
    status, body = await once(server.port, json_request("/api/v1/users", account))
    if status != 201:
        raise ServerError(f"registering was answered with {status}: {body.decode()}")
    return Person(json.loads(body)["id"])
