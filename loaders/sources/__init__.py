"""A script for each system that rows come from."""
