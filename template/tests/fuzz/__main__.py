"""Start the service on a temporary database and run the fuzzer: `make fuzz EXAMPLES=300`, `SEED=7` to repeat a run."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dev import services as servers
from tests.support.client import PASSWORD
from tests.support.databases import migrate
from tests.support.server import Server, environment, serving

ADMIN = "ada@example.com"
# closes the account that calls the operations, so the fuzzer runs it last and separately
CLOSES_THE_ACCOUNT = "delete_me"
MANY = "100000000/day"
LIMITS = ("HTTP_RATE_LIMIT", "HTTP_LOGIN_RATE_LIMIT", "HTTP_ACCOUNT_RATE_LIMIT")
VARIABLES = {"HTTP_DOCS": "true", "LOG_LEVEL": "ERROR"} | dict.fromkeys(LIMITS, MANY)


def sign_up(server: Server, database_url: str) -> str:
    """Register an administrator, and return their access token."""
    server.client.post("/api/v1/users", json={"email": ADMIN, "password": PASSWORD}).raise_for_status()
    grant = [sys.executable, "-m", "app", "grant-admin", ADMIN]
    subprocess.run(grant, env=environment(database_url), check=True)
    form = {"username": ADMIN, "password": PASSWORD}
    answer = server.client.post("/api/v1/auth/token", data=form).raise_for_status()
    return str(answer.json()["access_token"])


def fuzz(server: Server, token: str, *options: str) -> int:
    """Run all checks, and return the fuzzer's exit status."""
    config = str(Path(__file__).with_name("schemathesis.toml"))
    document = str(server.client.base_url.join("/openapi.json"))
    command = ["schemathesis", "--config-file", config, "run", document, "--checks", "all"]
    given = ["--header", f"Authorization: Bearer {token}", "--max-examples", os.environ.get("EXAMPLES", "100")]
    if seed := os.environ.get("SEED"):
        given += ["--seed", seed]
    # the service is on this machine, whatever your proxy is
    hooks = os.environ | {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "NO_PROXY": "*", "no_proxy": "*"}
    arguments = [*command, *given, "--suppress-health-check", "all", *options]
    return subprocess.run(arguments, env=hooks, check=False).returncode


def main() -> int:
    """Fuzz the service; return 0 if no check failed."""
    with servers.postgres() as url, tempfile.TemporaryDirectory() as elsewhere:
        migrate(url)
        with serving(Path(elsewhere), url, **VARIABLES) as server:
            server.wait_until_ready()
            token = sign_up(server, url)
            found = fuzz(server, token, "--exclude-operation-id", CLOSES_THE_ACCOUNT)
            return fuzz(server, token, "--include-operation-id", CLOSES_THE_ACCOUNT) or found


sys.exit(main())
