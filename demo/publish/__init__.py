"""Putting a day of the world where the outside can see it; each sink may be run again."""
