"""The explorer of the documentation works in a real browser."""

import difflib
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys

from pages import data
from pages.composition import File, files_with
from tests.browser import browser
from tests.explorer import Explorer, served
from tests.life import Rendered
from tests.rendering import rendered_files
from tests.test_composition import STRANGERS
from tests.test_render import default_variant
from tests.variants import ROOT, choices, questions

USUAL = dict(default_variant().answers)
JOBS = "#task_queue=arq&compare=task_queue:none"
SCREENSHOTS = ROOT / ".work/screenshots"  # git ignores it
LONG = 3000  # lines: too many to look for what two texts have in common


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser() as chrome:
        chrome.set_window_size(1300, 1400)
        yield chrome


@pytest.fixture
def page(chrome: Chrome, address: str) -> Iterator[Explorer]:
    page = Explorer(chrome, address)
    yield page
    assert not [each for each in page.complaints() if "/nowhere/" not in each]


def test_the_form_asks_what_copier_asks(page: Explorer) -> None:
    page.open()
    assert page.answers() == USUAL
    for name in choices():
        described = page.one(f"#answer-{name}").get_attribute("aria-describedby")
        assert page.one(f"#{described}").text == questions()[name]["help"]
        assert page.one(f"label[for=answer-{name}]").text == name


def test_an_answer_shows_its_files_and_its_command(page: Explorer, composed: Mapping[str, File]) -> None:
    page.open()
    page.choose("task_queue", "arq")
    before, now = (files_with(composed, default_variant().but(task_queue=each)) for each in ("none", "arq"))
    changed = [path for path in before.keys() & now.keys() if before[path] != now[path]]
    counts = (len(now.keys() - before.keys()), len(before.keys() - now.keys()), len(changed))
    assert tuple(map(int, re.findall(r": (\d+) \(", page.summary()))) == counts
    links = {kind: len(page.tell(f"document.querySelectorAll('#changes a.{kind}')")) for kind in ("added", "changed")}
    assert links == {"added": counts[0], "changed": counts[2]}
    assert page.one("#changes a.added").text.endswith("(only with these answers)")
    given = dict(re.findall(r"--data (\w+)=(\w+)", page.one("#command").text))
    assert given == USUAL | {"task_queue": "arq"}
    assert page.one("#command").text.split()[-2:] == [data.source(), "my-service"]
    clipboard = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.browser.execute_cdp_cmd("Browser.grantPermissions", clipboard)
    page.click("#copy")
    page.until("navigator.clipboard.readText().then((text) => text.startsWith('uvx copier copy'))")
    assert page.tell("navigator.clipboard.readText()").split() == page.one("#command").text.replace("\\", "").split()
    page.choose("task_queue", "none")
    assert tuple(map(int, re.findall(r": (\d+) \(", page.summary()))) == (counts[1], counts[0], counts[2])


def test_the_browser_has_every_file_of_a_variant_that_was_not_rendered(page: Explorer, rendered: Rendered) -> None:
    variant = STRANGERS[0]
    page.open("#" + "&".join(f"{name}={answer}" for name, answer in variant.answers))
    shown = page.tell(
        "Promise.all(explorer.manifest.files.map(async (file) => {"
        "  const version = explorer.version(file, arguments[0]);"
        "  return version === undefined ? null : [file.path, (await explorer.load(file.path))[version].text];"
        "})).then((files) => Object.fromEntries(files.filter(Boolean)))",
        page.answers(),
    )
    expected = {path: text.decode() for path, text in rendered_files(rendered(variant)).items()}
    del expected[".copier-answers.yml"]
    assert shown == expected
    assert page.summary() == f"{len(expected)} files."


def test_a_file_is_shown_as_text(page: Explorer, composed: Mapping[str, File]) -> None:
    files = files_with(composed, default_variant())
    for path in ("README.md", "src/app/main.py"):
        page.open(f"#file={path}")
        assert page.shown(path) == files[path].decode()
    assert page.tell("document.querySelectorAll('#view .token-k').length > 0")
    assert page.tell("explorer.text({text: '<img src=x>', marks: [0, 4, 'k']}).querySelector('img') === null")


def test_a_difference_leads_from_one_file_to_the_other(page: Explorer, composed: Mapping[str, File]) -> None:
    before, now = (files_with(composed, default_variant().but(task_queue=each)) for each in ("none", "arq"))
    page.open()
    page.choose("task_queue", "arq")
    for path in ("pyproject.toml", "src/app/services.py", "compose.yaml"):
        assert patched(before[path].decode(), page.follow(path, "#changes")) == now[path].decode()
    page.click("button[data-path='show:file']")
    page.until("!document.querySelector('#view pre.difference')")
    assert page.shown("compose.yaml") == now["compose.yaml"].decode()


def patched(text: str, patch: str) -> str:
    """Apply a unified diff, whose numbers and lines must be exact."""
    lines = text.splitlines(keepends=True)
    _, *parts = re.split(r"^@@ -(\d+),(\d+) \+(\d+),(\d+) @@\n", patch, flags=re.MULTILINE)
    for old, less, new, more, hunk in zip(*(parts[at::5] for at in range(5)), strict=True):
        said = hunk.splitlines(keepends=True)
        gone, come = ([line[1:] for line in said if line[0] != sign] for sign in "+-")
        assert (len(gone), len(come)) == (int(less), int(more))
        # what is above has its new lines already
        start = int(new) - 1
        assert lines[start : start + len(gone)] == gone == text.splitlines(keepends=True)[int(old) - 1 :][: len(gone)]
        lines[start : start + len(gone)] = come
    return "".join(lines)


def test_differences_are_right_and_short(page: Explorer, composed: Mapping[str, File]) -> None:
    page.open()
    versions = [sorted(filter(None, set(file.versions.values()))) for file in composed.values()]
    pairs = [(a.decode(), b.decode()) for each in versions for a, b in pairwise(each)]
    pairs += [("", ""), ("", "a"), ("a", "a\n"), ("a\n\n", "\n"), ("x\n" * LONG, "y\n" * LONG)]
    found = page.tell("arguments[0].map(([a, b]) => explorer.difference(a, b))", pairs)
    for (before, after), difference in zip(pairs, found, strict=True):
        assert before == "".join(line for sign, line in difference if sign != "+")
        assert after == "".join(line for sign, line in difference if sign != "-")
        if len(difference) < LONG:
            usual = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
            assert sum(sign == " " for sign, _ in difference) >= sum(line.startswith("  ") for line in usual)


def test_a_link_leads_to_what_was_seen(page: Explorer) -> None:
    page.open()
    page.choose("data_access", "dao")
    text = page.follow("pyproject.toml") + page.follow("docs/data-access.md", "#changes")
    seen, summary, hash_ = page.browser.current_url, page.summary(), page.tell("location.hash")
    assert hash_ == "#data_access=dao&compare=data_access:repository&file=docs/data-access.md"
    page.open(hash_)
    assert (page.browser.current_url, page.summary()) == (seen, summary)
    assert page.answers() == USUAL | {"data_access": "dao"}
    assert text.endswith(page.shown("docs/data-access.md"))
    page.choose("db_driver", "psycopg")
    page.browser.back()
    page.until(f"document.querySelector('#summary').textContent === '{summary}'")
    # a part of the page is no state
    page.tell("location.assign('#furo-main-content')")
    assert (page.answers()["data_access"], page.summary()) == ("dao", summary)


@pytest.mark.parametrize(
    ("hash_", "told"),
    [
        ("#colour=red", "no question “colour”"),
        ("#db_driver=oracle", "“oracle” is no answer to db_driver"),
        ("#task_queue=arq&file=no/such.py", "no service has a file “no/such.py”"),
        ("#task_queue=arq&compare=task_queue", "“” is no answer to task_queue"),
        ("#show=%E0%A4%A&file=%", "is no way to show a file"),
        ("#<img src=x onerror=alert(1)>", "no question “<img src”"),
        ("#__proto__=1", "no question “__proto__”"),
    ],
)
def test_a_bad_address_is_told_and_shows_the_defaults(page: Explorer, hash_: str, told: str) -> None:
    page.open(hash_)
    assert told in page.one("#problem").text
    assert page.answers() == USUAL
    page.choose("db_driver", "psycopg")
    page.until("document.querySelector('#problem').hidden")


def test_it_can_be_used_with_keys_only(page: Explorer) -> None:
    page.open()
    page.tab_to("[href='#furo-main-content']")
    page.press(Keys.ENTER)
    page.tab_to("#answer-db_driver")
    page.press(Keys.ARROW_DOWN)
    page.until("location.hash === '#db_driver=psycopg&compare=db_driver:asyncpg'")
    page.tab_to("#changes a[data-path='pyproject.toml']")
    page.press(Keys.ENTER)
    page.shown("pyproject.toml")
    assert page.tell("document.activeElement.dataset.path") == "pyproject.toml"
    page.tab_to("#tree details[data-path='docs/'] > summary")
    page.press(Keys.ENTER)
    page.tab_to("#tree a[data-path='docs/architecture.md']")
    page.press(Keys.ENTER)
    page.shown("docs/architecture.md")
    assert page.tell("document.activeElement.matches('#tree a[aria-current]')")


def test_a_file_that_cannot_be_loaded_is_told_and_loaded_again(page: Explorer) -> None:
    page.open()
    base = page.tell("explorer.base")
    page.tell("explorer.base = '/nowhere/'")
    page.click('#tree a[data-path="Makefile"]')
    assert page.one("#problem").text == "Makefile cannot be loaded. Load the page again."
    page.tell("explorer.base = arguments[0]", base)
    page.click('#tree a[data-path="README.md"]')
    page.follow("Makefile")


SEEN = [
    ("difference", f"{JOBS}&file=pyproject.toml", "pyproject.toml"),
    ("file", "#file=src/app/main.py", "src/app/main.py"),
]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(("kind", "width"), [("desk", 1300), ("phone", 390)])
def test_it_is_legible_on_any_screen(page: Explorer, colours: str, kind: str, width: int) -> None:
    screen = {"width": width, "height": 1800, "deviceScaleFactor": 1, "mobile": kind == "phone"}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    feature = {"name": "prefers-color-scheme", "value": colours}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for name, hash_, path in SEEN:
            page.open(hash_)
            page.shown(path)
            assert page.tell("document.scrollingElement.scrollWidth") <= width
            assert not page.faint_texts()
            page.browser.save_screenshot(str(SCREENSHOTS / f"{name}-{kind}-{colours}.png"))
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_works_from_a_disk_and_says_when_it_does_not_without_javascript(chrome: Chrome, site: Path) -> None:
    page = Explorer(chrome, site.as_uri())
    page.open(JOBS)
    assert page.follow("pyproject.toml").startswith("@@ ")
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chrome.get(f"{page.address}?again")
        drawn = chrome.execute_cdp_cmd("DOMSnapshot.captureSnapshot", {"computedStyles": []})
        texts = {drawn["strings"][at] for at in drawn["documents"][0]["layout"]["text"] if at >= 0}
        assert any("The explorer needs JavaScript" in text for text in texts)
        assert not any("Compare with" in text for text in texts)
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
