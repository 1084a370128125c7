"""The applications under load. Each module is imported by the servers as a top-level one."""
