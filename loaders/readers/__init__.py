"""The readers that source scripts share; APIs use dlt's own rest_api and RESTClient."""
