"""The examiner: checks for every noun, and probe environments of rising difficulty."""
