"""What a process does not need is not imported, because it takes memory and time at each start."""

import subprocess
import sys

SCRIPT = """
import sys
import app.platform.cache.caches, app.platform.db.session, app.platform.http.middleware.rate_limit
print({"redis"} & set(sys.modules))
import app.__main__
print({"aiohttp", "stamina"} & set(sys.modules))
"""


def test_what_only_redis_or_calls_need() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\nset()\n"
