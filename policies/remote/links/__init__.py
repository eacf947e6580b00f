"""Connections: websockets and HTTP, with limits, through proxies, in a thread of their own."""
