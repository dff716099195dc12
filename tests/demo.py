"""`make demo`: renders the default service, sets it up, runs it, and shows its responses."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import rendering
from tests.client import Answer, call
from tests.project import Project, Service
from tests.shell import CommandError
from tests.variants import ROOT

# The exit status of a command ended by SIGTERM: of make itself, or as a shell reports it.
ENDED_BY_SIGTERM = {-15, 143, 0}
METRICS = ("http_request_duration_seconds_count", "db_pool_size")


class Talk:
    """A series of requests to the service, each printed with its response."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token = ""

    def show(self, title: str, expected: int, method: str, path: str, **what: Any) -> Answer:
        """Send one request, print it and the response; raise CommandError if the status is not the expected one."""
        sent = what.get("body", what.get("form"))
        print(f"\n  {title}\n  > {method} {path}" + (f"  {json.dumps(_discreet(sent))}" if sent else ""))
        answer = call(method, self._url + path, token=self._token, **what)
        print(f"  < {answer.status} {answer.content_type}")
        if answer.content_type.endswith("json"):
            print(_indented(json.dumps(_discreet(answer.json()), indent=2)))
        if answer.status != expected:
            raise CommandError(f"{expected} was expected\n{answer.text}")
        return answer

    def sign_in(self, email: str, password: str) -> None:
        """Sign in; further requests carry the token."""
        form = {"username": email, "password": password}
        self._token = self.show("Sign in", 200, "POST", "/api/v1/auth/token", form=form).json()["access_token"]

    def metrics(self) -> None:
        """Print some lines of the Prometheus metrics."""
        text = call("GET", f"{self._url}/metrics").text
        print("\n  A few metrics\n  > GET /metrics")
        print(_indented("\n".join([line for line in text.splitlines() if line.startswith(METRICS)][:8])))


def converse(service: Service) -> None:
    """Use the service as a customer would."""
    talk = Talk(service.url)
    ada = {"email": "ada@example.com", "password": "correct horse battery staple"}
    tea = {"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499}
    talk.show("Is it ready?", 200, "GET", "/readyz")
    talk.show("Register", 201, "POST", "/api/v1/users", body={**ada, "full_name": "Ada Lovelace"})
    talk.sign_in(**ada)
    order = talk.show("Place an order", 201, "POST", "/api/v1/orders", body={"lines": [tea]}).json()
    talk.show("Read it back", 200, "GET", f"/api/v1/orders/{order['id']}")
    talk.show("Pay it", 200, "POST", f"/api/v1/orders/{order['id']}/pay")
    talk.show("Pay it again: refused, with a problem document", 409, "POST", f"/api/v1/orders/{order['id']}/pay")
    talk.metrics()


def demonstrate(template: Path, place: Path) -> None:
    """Render a service, set it up, run it, use it and stop it.

    Raises:
        CommandError: a step failed.
    """
    print("1. Rendering a service: copier copy --defaults", flush=True)
    project = Project(rendering.render(template, place / "my-service", {}))
    print("2. Setting it up: make setup (locks and installs about 80 packages)", flush=True)
    project.make("setup")
    print("3. Starting it, with a PostgreSQL of its own: make run", flush=True)
    with project.serving() as service:
        print(f"4. Talking to it on {service.url}", flush=True)
        converse(service)
        print("\n5. Stopping it: SIGTERM", flush=True)
        status = service.terminate()
        if status not in ENDED_BY_SIGTERM:
            raise CommandError(f"make run ended with {status}\n{service.log()}")
        if left := service.left_behind():
            raise CommandError(f"still running: {left}")


def main(arguments: list[str]) -> int:
    """Run the demo and return the exit status. Tests name another template as the argument."""
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as name:
        place = Path(name).resolve()
        # the embedded PostgreSQL cannot run as root, and its user must be able to enter the directory
        place.chmod(0o755)
        try:
            template = Path(arguments[0]) if arguments else rendering.snapshot(place / "template")
            demonstrate(template, place)
        except (CommandError, OSError) as error:
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return 1
    print(
        "\nIt works. Nothing is left running, and the scratch folder is removed. To keep a service:\n"
        f"\n  uvx copier copy {ROOT} my-service\n  cd my-service\n  make setup run\n"
    )
    return 0


def _discreet(body: Any) -> Any:
    """Return the body without its secrets."""
    if not isinstance(body, dict):
        return body
    return {name: "..." if name.endswith(("password", "_token")) else value for name, value in body.items()}


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
