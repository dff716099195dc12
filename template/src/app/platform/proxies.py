"""Trusted proxies: check the entries of `HTTP_FORWARDED_ALLOW_IPS`, whose X-Forwarded-For header uvicorn believes.

uvicorn takes an entry that it cannot parse for a host name, which silently matches no proxy.
"""

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_interface, ip_network

ANYONE = "*"
ANYONE_REFUSED = (
    "it trusts everyone, so clients could choose their own address and no rate limit would hold: write the addresses "
    "or networks of your proxies, such as 10.0.0.0/8 (everyone is allowed with ENVIRONMENT=development only)"
)
_IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")
_ZONE = re.compile(r"%[^/]*")
# fc00::/7 is the widest private network; a wider network is a large part of the internet
_WIDEST_PREFIX = 7


def check_entries(value: str) -> str:
    """Return the comma-separated entries without spaces.

    Raises:
        ValueError: there is no entry, or an entry is neither an address nor a network.
    """
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    if not entries:
        message = "it is empty: write the addresses of your proxies, or 127.0.0.1 when there is none"
        raise ValueError(message)
    if entries != [ANYONE]:
        for number, entry in enumerate(entries, start=1):
            _check_entry(number, entry)
    return ",".join(entries)


def trust_anyone(value: str) -> bool:
    """Return whether the checked entries together cover every client, or a large part of the internet."""
    if value == ANYONE:
        return True
    networks = [ip_network(entry) for entry in value.split(",")]
    ipv4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    ipv6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    return any(map(_is_wide, ipv4)) or any(map(_is_wide, ipv6))


def with_mapped_addresses(value: str) -> list[str]:
    """Return the checked entries, and each IPv4 entry also as IPv4-mapped IPv6, as dual-stack sockets show it."""
    entries = value.split(",")
    networks = [ip_network(entry) for entry in entries if entry != ANYONE]
    ipv4 = [network for network in networks if isinstance(network, IPv4Network)]
    return [*entries, *(f"::ffff:{network.network_address}/{96 + network.prefixlen}" for network in ipv4)]


def _check_entry(number: int, entry: str) -> None:
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        message = f"entry {number} is neither an IP address nor a network: write such as 10.0.0.0/8,192.0.2.7"
        raise ValueError(message) from None
    if "%" in entry:
        # sockets tell the address of a client without it
        message = f"entry {number} has a zone, which would match no proxy: write {_ZONE.sub('', entry)}"
        raise ValueError(message)
    if int(ip_interface(entry)) != int(network.network_address):
        message = f"entry {number} is an address inside a network: write {network}, or the address without prefix"
        raise ValueError(message)


def _is_wide(network: IPv4Network | IPv6Network) -> bool:
    offset = 96 if network.overlaps(_IPV4_IN_IPV6) else 0
    return network.prefixlen < offset + _WIDEST_PREFIX
