"""Compares rgun with its peers on one machine in one run: `python -m benches.compare --help`.

The interpreter that runs this needs nothing but its standard library; the servers run in a virtual environment of their own.
"""
