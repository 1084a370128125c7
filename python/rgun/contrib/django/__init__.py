"""``python manage.py rgun``: in INSTALLED_APPS, ``"rgun.contrib.django"``."""
