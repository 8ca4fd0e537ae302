"""Agents judged on tasks they never chose."""
