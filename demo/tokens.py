"""The bearer tokens of the demo: no secrets, its world is public."""

API_TOKEN = "demo-shop-token"  # noqa: S105
CRM_TOKEN = "demo-crm-token"  # noqa: S105
