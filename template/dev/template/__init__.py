"""This project and its template: is there a newer release, merge it, change an answer, see the drift."""

import os
from pathlib import Path

# What a developer has set for other work must not decide how files are merged here. It stands before the import of
# Copier, which remembers the environment it finds.
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
