"""One algorithm per file: a learner and the agent it makes."""
