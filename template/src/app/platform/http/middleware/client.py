"""Who the client of a request is, for logs and limits.

uvicorn chooses: the address of the connection or, behind trusted proxies, the nearest entry of X-Forwarded-For that is
no trusted proxy. It does not check that this entry is an address.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from starlette.types import Scope

# an IPv6 address with a zone; longer text is not worth a place in the cache
_LONGEST = 64
# all clients with an IPv4 address, to a server that has only IPv6 (RFC 6052)
_NAT64 = IPv6Network("64:ff9b::/96")


class Client(NamedTuple):
    """The address in its canonical spelling, if there is one, and the key under which the client is limited."""

    address: str | None
    limit_key: str


_UNKNOWN = Client(None, "unknown")


def client_of(scope: Scope) -> Client:
    """Returns the client of a connection; all that have no valid address count as one."""
    client = scope.get("client")
    return _parse(client[0]) if client and len(client[0]) <= _LONGEST else _UNKNOWN


@lru_cache(maxsize=4096)
def _parse(host: str) -> Client:
    try:
        # the zone may be any text
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return _UNKNOWN
    if isinstance(address, IPv6Address):
        embedded = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address.ipv4_mapped
        if embedded is None:
            # one subscriber has all addresses of a /64
            return Client(str(address), f"{IPv6Address(int(address) >> 64 << 64)}/64")
        address = embedded
    return Client(str(address), str(address))
