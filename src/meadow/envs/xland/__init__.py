"""The XLand world: a grid with objects, a goal, and rules the agent is not told."""
