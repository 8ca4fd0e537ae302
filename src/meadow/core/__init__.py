"""The nouns: seven abstract classes, two records, no algorithms."""
