"""Names that moved to `presets` and `recipe`."""

from meadow.recipes.presets import DEMO as DEMO
from meadow.recipes.presets import PRESETS as PRESETS
from meadow.recipes.recipe import Recipe as MetaRL  # noqa: F401
