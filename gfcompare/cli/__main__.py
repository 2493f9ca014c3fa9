"""python -m gfcompare.cli."""

from gfcompare.cli import main

if __name__ == "__main__":
    main()
