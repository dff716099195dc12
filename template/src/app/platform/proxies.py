"""The proxies whose X-Forwarded-For is believed: the entries of `HTTP_FORWARDED_ALLOW_IPS`.

uvicorn takes an entry that it cannot parse for the name of a host, and then trusts nobody by it, without a message.
"""

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_interface, ip_network

ANYONE = "*"
ANYONE_REFUSED = (
    "it trusts everyone, so clients could choose their own address and no rate limit would hold: write the addresses "
    "or networks of your proxies, such as 10.0.0.0/8 (everyone is allowed with ENVIRONMENT=development only)"
)
_IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")
# fc00::/7 is the widest private network; a wider one is the internet, or a large part of it
_WIDEST_PREFIX = 7


def checked(value: str) -> str:
    """Returns the comma-separated entries without spaces.

    Raises:
        ValueError: there is none, or one is neither an address nor a network.
    """
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    if not entries:
        message = "it is empty: write the addresses of your proxies, or 127.0.0.1 when there is none"
        raise ValueError(message)
    if entries != [ANYONE]:
        for number, entry in enumerate(entries, start=1):
            _check(number, entry)
    return ",".join(entries)


def trust_anyone(value: str) -> bool:
    """Whether the checked entries together include every client, or a large part of the internet."""
    if value == ANYONE:
        return True
    networks = [ip_network(entry) for entry in value.split(",")]
    ipv4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    ipv6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    return any(map(_is_wide, ipv4)) or any(map(_is_wide, ipv6))


def in_both_spellings(value: str) -> list[str]:
    """Returns the checked entries, and those of IPv4 as IPv6, too: dual-stack sockets write `::ffff:10.0.0.1`."""
    entries = value.split(",")
    networks = [ip_network(entry) for entry in entries if entry != ANYONE]
    ipv4 = [network for network in networks if isinstance(network, IPv4Network)]
    return [*entries, *(f"::ffff:{network.network_address}/{96 + network.prefixlen}" for network in ipv4)]


def _check(number: int, entry: str) -> None:
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        message = f"entry {number} is neither an IP address nor a network: write such as 10.0.0.0/8,192.0.2.7"
        raise ValueError(message) from None
    if int(ip_interface(entry)) != int(network.network_address):
        message = f"entry {number} is an address inside a network: write {network}, or the address without prefix"
        raise ValueError(message)


def _is_wide(network: IPv4Network | IPv6Network) -> bool:
    offset = 96 if network.overlaps(_IPV4_IN_IPV6) else 0
    return network.prefixlen < offset + _WIDEST_PREFIX
