"""Tasks made playable."""
