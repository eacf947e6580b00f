"""Whether a websocket server is reached through a proxy, and what to say when that goes wrong."""

from __future__ import annotations

import os
import re
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from mmact_eval.policies.remote.address import on_this_machine


@dataclass(frozen=True)
class Proxy:
    """A proxy that the environment asks for.

    Attributes:
        address: where it is.
        variable: the environment variable that says so.
        host: whom it is to reach.
    """

    address: str
    variable: str
    host: str

    def __str__(self) -> str:
        """For messages: what was used, and how to do without."""
        shown = re.sub(r"(?<=//)[^/]*@", "", self.address)
        return (
            f"it was asked through the proxy {shown} (from {self.variable}); if {self.host} can be reached without, "
            f'name it in no_proxy: export no_proxy="$no_proxy,{self.host}"'
        )


def proxy_for(url: str) -> Proxy | None:
    """The proxy for a websocket server; None for one on this machine and for those that ``no_proxy`` names.

    Which variable counts is as in the websockets package: that of the scheme, then SOCKS, https and http.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if on_this_machine(host) or urllib.request.proxy_bypass(f"{host}:{parts.port or 0}"):
        return None
    found = urllib.request.getproxies()
    schemes = ("wss", "socks", "https") if parts.scheme == "wss" else ("ws", "socks", "https", "http")
    for scheme in schemes:
        address = found.get(scheme)
        if address:
            if scheme == "socks":
                address = re.sub("^http://", "socks5h://", address)
            return Proxy(address, _variable(scheme), host)
    return None


def _variable(scheme: str) -> str:
    names = [name for name in os.environ if name.lower() == f"{scheme}_proxy" and os.environ[name]]
    return min(names, key=lambda name: not name.islower(), default="the system's settings")
