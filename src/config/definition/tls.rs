//! Settings of TLS.

use super::{Definition, Group, Occurs, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("certfile"),
        value: "FILE",
        occurs: Occurs::Repeatedly,
        help: "Speak TLS with this certificate chain (PEM); may be repeated, with a --keyfile for each",
        more: "The server's own certificate first, then those that issued it. All TCP addresses of `--bind` then speak TLS, but \
               those that end in `,plain`. Clients get the certificate for the host name that they request (SNI), wildcards \
               included; the first one is the default. A file that also contains the key needs no `--keyfile`. \
               `credential:NAME` is a file in $CREDENTIALS_DIRECTORY (systemd). The master reads the files before workers \
               change their user; a changed file is loaded without a restart.",
        ..Definition::new("certfile", Group::Tls, ValueType::Text)
    },
    Definition {
        long: Some("keyfile"),
        value: "FILE",
        occurs: Occurs::Repeatedly,
        help: "The private key of the --certfile (PEM, not encrypted); may be repeated, in the same order",
        more: "RSA, ECDSA (P-256, P-384) or Ed25519. `credential:NAME` as with `--certfile`.",
        ..Definition::new("keyfile", Group::Tls, ValueType::Text)
    },
    Definition {
        long: Some("ca-certs"),
        value: "FILE",
        help: "Authorities whose client certificates are accepted (PEM)",
        more: "Needs `--cert-reqs`.",
        ..Definition::new("ca_certs", Group::Tls, ValueType::Text)
    },
    Definition {
        long: Some("cert-reqs"),
        value: "MODE",
        default: Some("none"),
        help: "Whether clients show a certificate: none, optional or required (0, 1, 2)",
        more: "With `optional` a client may have none; one that it shows has to be valid all the same.",
        ..Definition::new("cert_reqs", Group::Tls, ValueType::Text)
    },
    Definition {
        long: Some("tls-min-version"),
        value: "VERSION",
        default: Some("1.2"),
        help: "The oldest TLS version that is accepted: 1.2 or 1.3",
        ..Definition::new(
            "tls_min_version",
            Group::Tls,
            ValueType::Choice(&["1.2", "1.3"]),
        )
    },
    Definition {
        long: Some("ssl-version"),
        value: "VERSION",
        help: "gunicorn's name for the oldest TLS version: TLS, TLSv1_2 or TLSv1_3",
        more: "`--tls-min-version` takes precedence.",
        ..Definition::new("ssl_version", Group::Tls, ValueType::Text)
    },
    Definition {
        long: Some("ciphers"),
        value: "SUITES",
        help: "Cipher suites that are accepted, as OpenSSL writes them; default: all that are available",
        more: "Available: TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, and for TLS 1.2 \
               ECDHE-ECDSA-… and ECDHE-RSA-… with AES256-GCM-SHA384, AES128-GCM-SHA256 and CHACHA20-POLY1305. Keywords such \
               as `ECDHE+AESGCM` and exclusions such as `!aNULL` are understood; a suite that is not available is an error. \
               The list is about TLS 1.2 unless it names suites of TLS 1.3.",
        ..Definition::new("ciphers", Group::Tls, ValueType::Text)
    },
    Definition {
        long: Some("no-tls-watch"),
        help: "Load changed certificate files only on SIGHUP and `rgun ctl`",
        more: "Otherwise the directories are watched, so that a renewal by rename, in place or by a swapped symbolic link \
               (certbot, Kubernetes) is used at once.",
        ..Definition::new("no_tls_watch", Group::Tls, ValueType::Switch)
    },
    Definition {
        long: Some("redirect-https"),
        value: "PORT",
        bare: Some("auto"),
        help: "Answer plain HTTP with a redirect (308) to https; without PORT to that of the first TLS address",
        more: "For addresses that end in `,plain`; unix sockets, and requests that a trusted proxy has received by TLS, are not \
               redirected. Name PORT where clients see another one than the server listens at.",
        ..Definition::new("redirect_https", Group::Tls, ValueType::Text)
    },
    Definition {
        long: Some("acme-challenge-dir"),
        value: "DIR",
        help: "Answer /.well-known/acme-challenge/ at plain HTTP addresses from the files in DIR",
        more: "DIR is what an ACME client such as certbot has for its web root (`--webroot -w DIR`), or the directory of the tokens themselves.",
        ..Definition::new("acme_challenge_dir", Group::Tls, ValueType::Path)
    },
];
