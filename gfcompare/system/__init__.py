"""Files, paths, threads, processes and progress: where gfcompare meets the machine."""
