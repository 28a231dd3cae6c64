"""The stand-in outside world: a small shop with an API, a database, files, a queue and a CRM."""
