"""Bodies, heads and memories: what agents are built from."""
