"""How fast gfcompare is, as numbers beside peers measured in the same run: python -m benchmarks."""
