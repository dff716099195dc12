"""What the entries of `_migrations` in copier.yml run, on Copier's own interpreter."""

import sys
from pathlib import Path

# Python put this directory first; it is the one above that holds the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from hooks.runner import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
