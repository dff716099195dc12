"""What may be wrong with the settings of traces. OpenTelemetry itself shows values, or ends with a traceback."""

import re
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from app.platform.traces_settings import TracesSettings

PROTOCOL = "http/protobuf"
SAMPLERS = frozenset({"always_on", "always_off", "traceidratio"})

# as the SDK reads them: it logs a part that it does not understand, and with it a secret
_HEADER = re.compile(r"[ \t]*([!#-'*+.0-9A-Z^-z|~-]+)[ \t]*=[ \t]*([ !#-+\--:<-\[\]-~]*)[ \t]*")
# what an HTTP client refuses to send, and shows in its error
_UNSENDABLE = re.compile(r"[^ -~\xa0-\xff]")


def installed(group: str) -> Callable[[str | None], str | None]:
    """Return a check that each name of a list is an entry point: OpenTelemetry's own error is a traceback."""

    def check(value: str | None) -> str | None:
        for name in (value or "").split(","):
            if name.strip() and name.strip().lower() != "none" and not entry_points(group=group, name=name.strip()):
                message = "has a name that no installed package knows"
                raise ValueError(message)
        return value

    return check


def problems(settings: "TracesSettings") -> Iterator[tuple[str, str | None]]:
    """Yield each setting that traces need, with what is wrong with it; no value is shown."""
    for name in ("exporter_otlp_endpoint", "exporter_otlp_traces_endpoint"):
        yield name, _about_endpoint(getattr(settings, name))
    for name in ("exporter_otlp_headers", "exporter_otlp_traces_headers"):
        yield name, _about_headers(getattr(settings, name))
    protocol = settings.exporter_otlp_traces_protocol or settings.exporter_otlp_protocol or PROTOCOL
    yield "exporter_otlp_traces_protocol", None if protocol == PROTOCOL else f"set it to {PROTOCOL}"
    sampler = settings.traces_sampler.lower().removeprefix("parentbased_")
    yield "traces_sampler", None if sampler in SAMPLERS else f"expected one of {', '.join(sorted(SAMPLERS))}"
    if sampler == "traceidratio":
        yield "traces_sampler_arg", _about_share(settings.traces_sampler_arg)


def _about_endpoint(url: str | None) -> str | None:
    """Return what is wrong with a URL; the SDK logs all of it when the collector does not answer."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        return "expected a URL such as http://collector:4318"
    if "@" in parts.netloc or "?" in url or "#" in url:
        return "may have no user, query or fragment, because it is logged; OTEL_EXPORTER_OTLP_HEADERS is for secrets"
    return None


def _about_headers(headers: SecretStr | None) -> str | None:
    for part in filter(None, map(str.strip, headers.get_secret_value().split(",") if headers else ())):
        found = _HEADER.fullmatch(part)
        if not found or _UNSENDABLE.search(unquote(found[1]) + unquote(found[2])):
            return "expected name=value, further ones after a comma, special characters such as , and ; as %2C and %3B"
    return None


def _about_share(text: str) -> str | None:
    try:
        return None if 0 <= float(text) <= 1 else "expected a number from 0 to 1"
    except ValueError:
        return "expected a number from 0 to 1"
