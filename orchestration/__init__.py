"""The thin runner: jobs, their runs, and the record of everything."""
