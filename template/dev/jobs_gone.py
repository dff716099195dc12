"""What `make template-switch task_queue=none` begins with: the tables of the jobs go while a migration knows them.

Those of the database in `.dev/` are removed. On one that somebody has given this only looks whether they are gone: it
may be anybody's.
"""

import subprocess
import sys

from dev.services import main, missing

ALEMBIC = (sys.executable, "-m", "alembic")
BRANCH = "jobs_"


def jobs_gone() -> int:
    """Return the exit status: 0 when there are no tables of jobs any more."""
    if "DATABASE_URL" in missing():
        return main(["run", "--", *ALEMBIC, "downgrade", "jobs@base"])
    current = subprocess.run([*ALEMBIC, "current"], stdout=subprocess.PIPE, text=True, check=False)
    if current.returncode != 0:
        return current.returncode
    if any(line.startswith(BRANCH) for line in current.stdout.splitlines()):
        sys.stderr.write(
            "Nothing was done: the database of DATABASE_URL has the tables of the jobs.\n"
            "If they may go, `make jobs-off` removes them; it refuses while a job is not done.\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(jobs_gone())
