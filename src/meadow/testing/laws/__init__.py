"""What every definition of a noun must obey, one file a noun."""
