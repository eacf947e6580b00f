"""What several commands share: options, and values typed on the command line."""
