"""How observations and answers become bytes, and what is checked of them."""
