"""Ask the process in this container for its health: ``python -m app.platform.healthcheck PATH [PORT]``.

Images have no curl. Nothing but the standard library is imported, because this starts every few seconds.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4.0
"""For connecting, and for the answer: below the timeout of the container's health check."""


def main(arguments: list[str]) -> int:
    """Return 0 if the process answers 200 at this path of its own host, else 1 with a line that says why."""
    path, *rest = arguments or ["/livez"]
    port = rest[0] if rest else os.environ.get("HTTP_PORT", "8000")
    # not by urllib, which would ask the proxy of `http_proxy`
    connection = HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (HTTPException, OSError) as error:
        sys.stdout.write(f"{path} on port {port}: {error or type(error).__name__}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{path} on port {port}: {status}\n")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
