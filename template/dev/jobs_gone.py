"""The first step of `make template-switch task_queue=none`: drops the jobs' tables while their migrations exist.

Drops them only in the database in `.dev/`. A database given by DATABASE_URL is only checked: others may use it too.
"""

import subprocess
import sys

from dev.services import main, missing

ALEMBIC = (sys.executable, "-m", "alembic")
BRANCH = "jobs_"


def jobs_gone() -> int:
    """Drop or look for the jobs' tables; return 0 when there are none left."""
    if "DATABASE_URL" in missing():
        return main(["run", "--", *ALEMBIC, "downgrade", "jobs@base"])
    current = subprocess.run([*ALEMBIC, "current"], stdout=subprocess.PIPE, text=True, check=False)
    if current.returncode != 0:
        return current.returncode
    if any(line.startswith(BRANCH) for line in current.stdout.splitlines()):
        sys.stderr.write(
            "Nothing was done: the database of DATABASE_URL still has the jobs' tables.\n"
            "`make jobs-off` drops them; it refuses while jobs are unfinished.\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(jobs_gone())
