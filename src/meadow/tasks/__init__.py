"""Problems as data: tiles, rules, goals, layouts, task trees, held-out splits."""
