"""Checks that a server of this process can listen on its address, and says which variables to change if it cannot."""

import errno
import os
import socket

from app.platform.errors import StartupError


def require_free(host: str, port: int, variables: str, *, ipv4_as_well: bool = False) -> None:
    """Bind a port for a moment; its server would find out later, with an error that names neither.

    `ipv4_as_well` tells that the server takes the IPv6 address `::` for all addresses of this machine.

    Raises:
        StartupError: the host is not known or not of this machine, or another process listens on the port.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        refusals = [_refusal(each[0], each[4], ipv4_as_well=ipv4_as_well) for each in found]
    except (OSError, UnicodeError) as error:
        raise cannot_listen(host, port, variables, error) from error
    problems = [each for each in refusals if each]
    # a name may also stand for addresses that this machine has not, such as ::1; some servers leave those out
    elsewhere = [problem for problem in problems if problem.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}]
    if problems and (len(problems) > len(elsewhere) or len(problems) == len(found)):
        raise cannot_listen(host, port, variables, problems[0])


def cannot_listen(host: str, port: int, variables: str, error: OSError | UnicodeError) -> StartupError:
    """Return the error of a server that cannot listen."""
    reason = str(error)
    if isinstance(error, OSError) and error.errno:
        # names that cannot be resolved have numbers of their own
        reason = str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno)
    return StartupError(f"cannot listen on {host}:{port}: {reason} ({variables})")


def _refusal(family: int, address: tuple[object, ...], *, ipv4_as_well: bool) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # as servers do, so that connections which have just ended do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not ipv4_as_well)
            probe.bind(address)
    except OSError as error:
        return error
    return None
