"""The harness of the end-to-end stories: the real program, real sockets, real signals."""
