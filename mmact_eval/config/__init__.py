"""YAML that remembers its lines; suites found, read and checked."""
