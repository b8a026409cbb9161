"""What `python -m infra` does: one module a command, and the parts that they share."""
