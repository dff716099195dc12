"""What a process does not need is not imported, because it takes memory and time at each start."""

import subprocess
import sys

# the last line: as long as development tools bring these, other libraries would import them
SCRIPT = """
import sys
import app.platform.cache.caches, app.platform.db.session, app.platform.http.middleware.rate_limit
print({"redis"} & set(sys.modules))
import app.__main__
print({"aiohttp", "pygments", "rich", "stamina"} & set(sys.modules))
import pygments, rich
"""


def test_what_only_redis_calls_or_others_need() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\nset()\n"
