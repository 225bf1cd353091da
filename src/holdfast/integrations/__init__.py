"""Adapters to other programs and services. None is imported before it is configured."""
