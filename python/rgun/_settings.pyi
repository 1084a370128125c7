# Made from the definitions in src/config; `UPDATE=1 pytest tests/e2e/test_typing.py` writes it anew.
from collections.abc import Mapping, Sequence
from os import PathLike

from typing_extensions import TypedDict

class Settings(TypedDict, total=False):
    """The keyword arguments of `rgun.run`; docs/settings.md describes each."""

    wsgi_app: str | float | PathLike[str] | None
    factory: bool | None
    worker_class: str | float | PathLike[str] | None
    chdir: str | float | PathLike[str] | None
    pythonpath: str | Sequence[str] | None
    raw_env: str | Mapping[str, str] | Sequence[str] | None
    python: str | float | PathLike[str] | None
    root_path: str | float | PathLike[str] | None
    bind: str | float | PathLike[str] | Sequence[str] | None
    backlog: str | float | PathLike[str] | None
    reuse_port: bool | None
    umask: str | float | PathLike[str] | None
    certfile: str | float | PathLike[str] | Sequence[str] | None
    keyfile: str | float | PathLike[str] | Sequence[str] | None
    ca_certs: str | float | PathLike[str] | None
    cert_reqs: str | float | PathLike[str] | None
    tls_min_version: str | float | PathLike[str] | None
    ssl_version: str | float | PathLike[str] | None
    ciphers: str | float | PathLike[str] | None
    no_tls_watch: bool | None
    redirect_https: str | float | PathLike[str] | None
    acme_challenge_dir: str | float | PathLike[str] | None
    workers: str | float | PathLike[str] | None
    scale_wait: str | float | PathLike[str] | None
    scale_idle: str | float | PathLike[str] | None
    scale_memory: str | float | PathLike[str] | None
    shed_wait: str | float | PathLike[str] | None
    threads: str | float | PathLike[str] | None
    timeout: str | float | PathLike[str] | None
    request_timeout: str | float | PathLike[str] | None
    max_requests: str | float | PathLike[str] | None
    max_requests_jitter: str | float | PathLike[str] | None
    max_worker_memory: str | float | PathLike[str] | None
    max_worker_lifetime: str | float | PathLike[str] | None
    max_worker_lifetime_jitter: str | float | PathLike[str] | None
    garbage_collection: str | float | PathLike[str] | None
    asgi_loop: str | float | PathLike[str] | None
    asgi_lifespan: str | float | PathLike[str] | None
    run_before: str | float | PathLike[str] | Sequence[str] | None
    run_before_timeout: str | float | PathLike[str] | None
    beside: str | float | PathLike[str] | Sequence[str] | None
    boot_timeout: str | float | PathLike[str] | None
    warm_up: str | float | PathLike[str] | None
    preload_app: bool | None
    refork_after: str | float | PathLike[str] | None
    ready_path: str | float | PathLike[str] | None
    ready_host: str | float | PathLike[str] | None
    reload_surge: str | float | PathLike[str] | None
    rollback_window: str | float | PathLike[str] | None
    rollback_keep: str | float | PathLike[str] | None
    preview_header: str | float | PathLike[str] | None
    preview_allow_ips: str | Sequence[str] | None
    canary_cookie: str | float | PathLike[str] | None
    upgrade_mode: str | float | PathLike[str] | None
    upgrade_timeout: str | float | PathLike[str] | None
    shutdown_delay: str | float | PathLike[str] | None
    graceful_timeout: str | float | PathLike[str] | None
    keepalive_drain: str | float | PathLike[str] | None
    reload: bool | None
    reload_engine: str | float | PathLike[str] | None
    reload_extra_files: str | float | PathLike[str] | Sequence[str] | None
    in_process: bool | None
    keepalive: str | float | PathLike[str] | None
    first_byte_timeout: str | float | PathLike[str] | None
    header_timeout: str | float | PathLike[str] | None
    body_timeout: str | float | PathLike[str] | None
    body_min_rate: str | float | PathLike[str] | None
    write_timeout: str | float | PathLike[str] | None
    limit_request_line: str | float | PathLike[str] | None
    limit_request_fields: str | float | PathLike[str] | None
    limit_request_field_size: str | float | PathLike[str] | None
    limit_request_body: str | float | PathLike[str] | None
    limit_concurrency: str | float | PathLike[str] | None
    sendfile: bool | None
    server_header: bool | None
    pathsend: bool | None
    http2: str | float | PathLike[str] | None
    http_protocols: str | Sequence[str] | None
    http2_cleartext: str | float | PathLike[str] | None
    http2_max_concurrent_streams: str | float | PathLike[str] | None
    http2_initial_window_size: str | float | PathLike[str] | None
    http2_max_frame_size: str | float | PathLike[str] | None
    http2_max_header_list_size: str | float | PathLike[str] | None
    ws: str | float | PathLike[str] | None
    websocket_max_message_size: str | float | PathLike[str] | None
    ws_ping_interval: str | float | PathLike[str] | None
    ws_ping_timeout: str | float | PathLike[str] | None
    ws_per_message_deflate: str | float | PathLike[str] | None
    static: str | float | PathLike[str] | Sequence[str] | None
    static_max_age: str | float | PathLike[str] | None
    sendfile_root: str | float | PathLike[str] | None
    compress: str | Sequence[str] | None
    compress_level: str | float | PathLike[str] | None
    compress_min_size: str | float | PathLike[str] | None
    compress_types: str | Sequence[str] | None
    compress_credentials: bool | None
    forwarded_allow_ips: str | Sequence[str] | None
    forwarded_headers: str | Sequence[str] | None
    secure_scheme_headers: str | Mapping[str, str] | Sequence[str] | None
    forwarder_headers: str | Sequence[str] | None
    header_map: str | float | PathLike[str] | None
    proxy_protocol: str | float | PathLike[str] | None
    proxy_allow_ips: str | Sequence[str] | None
    loglevel: str | float | PathLike[str] | None
    errorlog: str | float | PathLike[str] | None
    log_format: str | float | PathLike[str] | None
    capture_output: bool | None
    enable_stdio_inheritance: bool | None
    logconfig: str | float | PathLike[str] | None
    logconfig_json: str | float | PathLike[str] | None
    logconfig_dict: Mapping[str, object] | None
    logger_class: str | float | PathLike[str] | None
    accesslog: str | float | PathLike[str] | None
    access_log_format: str | float | PathLike[str] | None
    access_log_sample: str | float | PathLike[str] | None
    access_log_exclude: str | float | PathLike[str] | Sequence[str] | None
    request_id: bool | None
    request_id_header: str | float | PathLike[str] | None
    syslog: bool | None
    syslog_addr: str | float | PathLike[str] | None
    syslog_prefix: str | float | PathLike[str] | None
    syslog_facility: str | float | PathLike[str] | None
    disable_redirect_access_to_syslog: bool | None
    statsd_host: str | float | PathLike[str] | None
    statsd_prefix: str | float | PathLike[str] | None
    enable_backlog_metric: bool | None
    dogstatsd_tags: str | float | PathLike[str] | None
    admin_bind: str | float | PathLike[str] | Sequence[str] | None
    control_socket: str | float | PathLike[str] | None
    control_socket_disable: bool | None
    config: str | float | PathLike[str] | None
    pidfile: str | float | PathLike[str] | None
    daemon: bool | None
    user: str | float | PathLike[str] | None
    group: str | float | PathLike[str] | None
    initgroups: bool | None
    proc_name: str | float | PathLike[str] | None
    worker_tmp_dir: str | float | PathLike[str] | None
    spool_limit: str | float | PathLike[str] | None
    check_config: bool | None
    print_config: bool | None
    print_changed: bool | None
