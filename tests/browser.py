"""Starts headless Chromium: installed in the system, else out of Debian's packages, in a cache of the user."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.platform.support import debian

INSTALL = "no Chromium with its driver found: install them (chromium and chromium-driver on Debian)"
CACHE = debian.CACHES / "chromium-of-tests"
NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30
# Pages of our own are all it opens, so it needs no sandbox, which root cannot have. Names of other hosts lead nowhere.
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def find() -> tuple[Path, Path, dict[str, str]]:
    """Return the paths of the browser and of its driver, and the variables that they need.

    Raises:
        ServiceError: there are none, and Debian's packages cannot be fetched.
    """
    programs = [found for name in NAMES if (found := shutil.which(name))]
    if programs and (driver := shutil.which("chromedriver")):
        return Path(programs[0]), Path(driver), {}
    debian.fetch("chromium", CACHE, command_in, INSTALL, more=["chromium-driver"])
    # a browser that the system has is not unpacked again
    program = next(path for path in (CACHE / "usr/lib/chromium/chromium", *map(Path, programs)) if path.exists())
    return program, CACHE / "usr/bin/chromedriver", variables_in(CACHE)


def command_in(root: Path) -> list[str]:
    """Return the command that runs what was unpacked here."""
    return [
        "env",
        *(f"{name}={value}" for name, value in variables_in(root).items()),
        str(root / "usr/bin/chromedriver"),
    ]


def variables_in(root: Path) -> dict[str, str]:
    """Return the variables for libraries, and for fonts if the system had none, that were unpacked here."""
    folders = sorted({path.parent for path in (root / "usr/lib").rglob("*.so*")} - {root / "usr/lib/chromium"})
    found = {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}
    return found | ({"FONTCONFIG_SYSROOT": str(root)} if (root / "etc/fonts/fonts.conf").exists() else {})


@contextmanager
def browser() -> Iterator[Chrome]:
    """Yield a browser with a profile of its own; it ends with the block."""
    program, driver, variables = find()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = str(program)
        for switch in (*SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        started = Chrome(options, Service(str(driver), env={**os.environ, **variables}))
        try:
            started.set_page_load_timeout(SECONDS)
            started.set_script_timeout(SECONDS)
            yield started
        finally:
            started.quit()
