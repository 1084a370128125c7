"""Metrics to statsd."""

import os

workers = 1
statsd_host = os.environ["STATSD"]
statsd_prefix = "mysite"
dogstatsd_tags = "env:test"
