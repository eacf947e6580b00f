"""The REST servers of OpenVLA and OpenVLA-OFT."""
