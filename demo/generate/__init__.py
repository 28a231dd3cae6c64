"""The SQL that makes one day of clean entities and decides which of them become dirty."""
