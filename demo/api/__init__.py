"""The shop's HTTP side: users to read and a CRM to push to."""
