"""The only place that repeats."""
