"""Keeps this project in step with its template: check for a release, merge it, change an answer, show the drift."""

import os
from pathlib import Path

# Override the developer's own git settings, which could change how files are merged. This runs before Copier is
# imported, because Copier copies the environment when it is imported.
_GIT = {
    "apply.whitespace": "nowarn",
    "core.quotePath": "true",
    "diff.context": "3",
    "diff.noprefix": "false",
    "status.showUntrackedFiles": "all",
}
_first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
for _number, (_key, _value) in enumerate(_GIT.items(), start=_first):
    os.environ[f"GIT_CONFIG_KEY_{_number}"] = _key
    os.environ[f"GIT_CONFIG_VALUE_{_number}"] = _value
os.environ["GIT_CONFIG_COUNT"] = str(_first + len(_GIT))
os.environ["COPIER_SETTINGS_PATH"] = str(Path(__file__).with_name("copier-settings.yml"))
