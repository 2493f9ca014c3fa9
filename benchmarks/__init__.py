"""Speed of gfcompare beside that of peers measured in the same run: python -m benchmarks."""
