"""Results in words and numbers: what a person reads."""
