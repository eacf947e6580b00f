"""The local engine: worker processes of this machine, policies in the process that started them."""
