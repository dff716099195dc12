"""The client's address, for logs and rate limits.

uvicorn provides it: the address of the connection or, behind trusted proxies, the last entry of X-Forwarded-For that is
not a trusted proxy. uvicorn does not check that this entry is an address.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from starlette.types import Scope

# long enough for an IPv6 address with a zone; longer text is not an address, and would only fill the cache
_LONGEST = 64
# the addresses of IPv4 clients on a server that has only IPv6 (RFC 6052)
_NAT64 = IPv6Network("64:ff9b::/96")


class Client(NamedTuple):
    """A client's canonical address, if it is valid, and the key that its rate limit counts under."""

    address: str | None
    limit_key: str


_UNKNOWN = Client(None, "unknown")


def client_of(scope: Scope) -> Client:
    """Return the client of a connection; all clients without a valid address share one rate limit."""
    client = scope.get("client")
    return _parse(client[0]) if client and len(client[0]) <= _LONGEST else _UNKNOWN


@lru_cache(maxsize=4096)
def _parse(host: str) -> Client:
    try:
        # without the zone, which may be any text
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return _UNKNOWN
    if isinstance(address, IPv6Address):
        embedded = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address.ipv4_mapped
        if embedded is None:
            # limit the whole /64 network, because one subscriber has all its addresses
            return Client(str(address), f"{IPv6Address(int(address) >> 64 << 64)}/64")
        address = embedded
    return Client(str(address), str(address))
