"""Maze: walls, a goal, and an agent that sees little of them."""
