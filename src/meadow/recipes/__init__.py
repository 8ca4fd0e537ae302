"""Where siblings meet: complete experiments as dataclasses."""
