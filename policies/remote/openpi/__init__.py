"""openpi's websocket protocol, from both ends."""
