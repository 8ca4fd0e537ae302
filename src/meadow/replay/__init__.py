"""Experience kept in memory."""
