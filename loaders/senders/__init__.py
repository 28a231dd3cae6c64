"""How to send to a kind of far side: an API, a database, files."""
