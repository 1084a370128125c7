import time

from celery import shared_task
from django.core.cache import cache


@shared_task
def work(seconds):
    cache.set("working", 1, 60)
    time.sleep(seconds)
    return "done"


@shared_task
def tick():
    cache.add("ticks", 0)
    cache.incr("ticks")
