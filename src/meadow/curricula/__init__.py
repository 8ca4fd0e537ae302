"""One way of choosing tasks per file."""
