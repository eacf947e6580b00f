"""vla-eval's websocket protocol, from both ends."""
