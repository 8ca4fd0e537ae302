"""Mazes: walls on a grid, a goal, and where the agent begins."""
