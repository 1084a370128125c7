"""The hook `ssl_context`, as settings. A part of the program that begins in `script.py`."""

def _ssl_settings(hook, settings):
    """The changes that the hook `ssl_context` makes to gunicorn's context, as settings. TLS is not done by Python here: a
    change without a corresponding setting is an error."""
    import ssl

    values = {"keyfile": None, "ca_certs": None, "cert_reqs": 0, "ciphers": None, **settings}
    first = {name: value[0] if isinstance(value, list) else value for name, value in values.items() if name in ("certfile", "keyfile")}
    made = []

    def default():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=values["ca_certs"] or None)
        context.load_cert_chain(first["certfile"], first["keyfile"] or None)
        if values["cert_reqs"]:
            context.verify_mode = ssl.VerifyMode(int(values["cert_reqs"]))
        if values["ciphers"]:
            context.set_ciphers(values["ciphers"])
        return context

    def watched():
        context = default()
        context.__class__ = _watched(ssl.SSLContext, (first["certfile"], first["keyfile"] or None), called)
        made.append(context)
        return context

    called = []
    context = hook(Config({**values, **first}), watched)
    if not any(context is one for one in made):
        raise Wrong("ssl_context has to return the context that its second argument makes")
    for name in called:
        hint = SSL_CONTEXT_HINTS.get(name)
        raise Wrong("ssl_context: %s is not supported%s" % (name, ": " + hint if hint else ""))
    before = default()
    changed = {}
    if context.verify_mode != before.verify_mode:
        changed["cert_reqs"] = str(int(context.verify_mode))
    if [suite["name"] for suite in context.get_ciphers()] != [suite["name"] for suite in before.get_ciphers()]:
        changed["ciphers"] = ":".join(suite["name"] for suite in context.get_ciphers())
    if context.minimum_version == ssl.TLSVersion.TLSv1_3 or context.options & ssl.OP_NO_TLSv1_2:
        changed["tls_min_version"] = "1.3"
    if context.maximum_version not in (before.maximum_version, ssl.TLSVersion.TLSv1_3) or context.options & ssl.OP_NO_TLSv1_3:
        raise Wrong("ssl_context: maximum_version is not supported: TLS 1.3 is always accepted")
    # Options without effect here, or always on.
    harmless = ssl.OP_ALL | ssl.OP_NO_SSLv2 | ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1 | ssl.OP_NO_TLSv1_2 | ssl.OP_NO_COMPRESSION
    for name in ("OP_NO_RENEGOTIATION", "OP_SINGLE_DH_USE", "OP_SINGLE_ECDH_USE", "OP_IGNORE_UNEXPECTED_EOF", "OP_ENABLE_MIDDLEBOX_COMPAT"):
        harmless |= getattr(ssl, name, 0)
    if (context.options ^ before.options) & ~harmless:
        raise Wrong("ssl_context: options %s are not supported" % ssl.Options((context.options ^ before.options) & ~harmless))
    for name in ("check_hostname", "verify_flags", "sni_callback", "keylog_filename", "num_tickets", "post_handshake_auth", "security_level"):
        if getattr(context, name, None) != getattr(before, name, None):
            raise Wrong("ssl_context: %s is not supported" % name)
    if sorted(context.get_ca_certs(True)) != sorted(before.get_ca_certs(True)):
        raise Wrong("ssl_context: load_verify_locations is not supported: set ca_certs")
    return changed


# What sets the same, as far as something does.
SSL_CONTEXT_HINTS = {
    "load_cert_chain": "set certfile and keyfile, several for several names", "load_default_certs": "set ca_certs",
    "set_default_verify_paths": "set ca_certs", "set_alpn_protocols": "it follows from http2",
}
# The effects of these can be read from the context.
READABLE = ("set_ciphers", "load_verify_locations", "set_servername_callback")


def _watched(context, own, called):
    """A class for contexts that notes in `called` which of the methods that change one were called, where the context does not
    show it afterwards. `own`: the certificate that it has already."""

    def noting(name, method):
        def call(self, *arguments, **options):
            given = dict(zip(("certfile", "keyfile", "password"), arguments), **options)
            if name != "load_cert_chain" or (given.get("certfile"), given.get("keyfile")) != own:
                called.append(name)
            return method(self, *arguments, **options)

        return call

    names = [name for name in dir(context) if name.startswith(("load_", "set_")) and name not in READABLE]
    return type("SSLContext", (context,), {name: noting(name, getattr(context, name)) for name in names})
