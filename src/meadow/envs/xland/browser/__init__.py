"""Browser: play on a page that this machine serves to itself."""
