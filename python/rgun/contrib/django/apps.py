"""Registers the command with Django. There are no models."""

from django.apps import AppConfig


class RgunConfig(AppConfig):
    name = "rgun.contrib.django"
    label = "rgun"
