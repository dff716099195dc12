"""The explorer of the documentation in a browser, as its reader sees it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import SECONDS

# the texts that are transparent, or have less contrast to what is behind them than the guidelines (WCAG 2, AA) ask for
_FAINT = """[...document.querySelectorAll('#variants *')].filter((each) =>
  each.checkVisibility() && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  && each.tagName !== 'OPTION' && each.tagName !== 'OPTGROUP').map((each) => {
  const light = (color) => {
    const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  let behind = each;
  while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
  const [a, b] = [getComputedStyle(each).color, getComputedStyle(behind).backgroundColor].map(light);
  let opacity = 1;
  for (let above = each; above; above = above.parentElement) opacity *= getComputedStyle(above).opacity;
  const contrast = opacity === 1 ? Math.max(a, b) / Math.min(a, b) : 1;
  return [contrast, each.className || each.tagName, each.textContent.slice(0, 40)];
}).filter(([contrast]) => contrast < 4.5)"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a directory on this machine; yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(SECONDS)


class Explorer:
    """The page, at an address and in a browser."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self.browser = browser
        self.address = f"{address}/explorer.html"

    def open(self, hash: str = "") -> None:  # noqa: A002 - what browsers call it
        """Load the page anew."""
        self.browser.get("about:blank")
        self.browser.get(self.address + hash)

    def one(self, selector: str) -> WebElement:
        """Return the element, once it is shown."""
        shown: list[WebElement] = WebDriverWait(self.browser, SECONDS).until(
            lambda browser: [each for each in browser.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()],
            f"nothing is {selector}",
        )
        return shown[0]

    def click(self, selector: str) -> None:
        """Click on an element; the theme scrolls slowly, which a click would not wait for."""
        found = self.one(selector)
        self.tell("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)
        found.click()

    def until(self, script: str) -> None:
        """Wait until an expression is true."""
        WebDriverWait(self.browser, SECONDS).until(lambda _: self.tell(script), script)

    def tell(self, script: str, *arguments: object) -> Any:
        """Return the value of an expression, or what its promise brings."""
        return self.browser.execute_script(f"return {script}", *arguments)

    def choose(self, question: str, answer: str) -> None:
        """Give an answer in the form."""
        Select(self.one(f"#answer-{question}")).select_by_value(answer)

    def follow(self, path: str, where: str = "#tree") -> str:
        """Click on a file; return what is shown of it then."""
        self.click(f'{where} a[data-path="{path}"]')
        return self.shown(path)

    def shown(self, path: str) -> str:
        """Return what the open file holds."""
        self.until(f"document.querySelector('#view pre')?.getAttribute('aria-label') === '{path}'")
        return str(self.tell("document.querySelector('#view pre').textContent"))

    def answers(self) -> dict[str, str]:
        """Return the answers in the form."""
        found: dict[str, str] = self.tell("Object.fromEntries(new FormData(document.getElementById('answers')))")
        return found

    def summary(self) -> str:
        """Return the line that counts the files."""
        return self.one("#summary").text

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def tab_to(self, selector: str) -> None:
        """Press the tabulator until an element has the focus.

        Raises:
            LookupError: it never gets there.
        """
        for _ in range(150):
            if self.tell("document.activeElement.matches(arguments[0])", selector):
                return
            self.press(Keys.TAB)
        raise LookupError(selector)

    def faint_texts(self) -> list[Any]:
        """Return the texts that are hard to read in these colours: contrast, name and beginning of each."""
        found: list[Any] = self.tell(_FAINT)
        return found

    def complaints(self) -> list[str]:
        """Return what the browser wrote to its console since it was asked last."""
        entries = self.browser.get_log("browser")  # type: ignore[no-untyped-call] # Selenium's own
        return [entry["message"] for entry in entries]
