"""Spaces of levels: the tasks of MiniGrid, one family a class."""
