"""A script for each place that results go to: what is sent there, and how."""
