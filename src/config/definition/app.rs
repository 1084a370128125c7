//! Settings of the app and its environment.

use super::{Definition, Empty, Group, Occurs, ValueType, Variable};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        value: "APP",
        aliases: &["app"],
        help: "Where the app is: MODULE or MODULE:ATTRIBUTE, for example config.asgi:application",
        more: "MODULE is imported with the working directory (see --chdir) on the path. ATTRIBUTE may be dotted \
               (`shop:api.app`), or the call of a factory (`shop:create_app()`, `shop:create_app('production', debug=False)`: literals, \
               as with gunicorn). Without an ATTRIBUTE, `application` and then `app` are tried.",
        ..Definition::new("wsgi_app", Group::App, ValueType::Text)
    },
    Definition {
        long: Some("factory"),
        help: "Call APP to get the app, as in MODULE:ATTRIBUTE()",
        ..Definition::new("factory", Group::App, ValueType::Switch)
    },
    Definition {
        long: Some("worker-class"),
        short: Some('k'),
        value: "CLASS",
        default: Some("auto"),
        help: "The app's interface: auto, asgi, wsgi, or a worker class of gunicorn's",
        more: "auto looks at the app: an async callable is ASGI, a callable with two arguments is WSGI. sync and gthread mean \
               wsgi; uvicorn.workers.UvicornWorker and uvicorn_worker.UvicornWorker mean asgi. gevent, eventlet and tornado are \
               refused: they replace the server that rgun is.",
        ..Definition::new("worker_class", Group::App, ValueType::Text)
    },
    Definition {
        long: Some("chdir"),
        value: "DIR",
        help: "Change to this directory before the app is imported",
        more: "Resolved again for each reload, so that a symbolic link swapped by a deploy takes effect. Relative paths of other \
               settings start here.",
        ..Definition::new("chdir", Group::App, ValueType::Path)
    },
    Definition {
        long: Some("pythonpath"),
        value: "DIRS",
        help: "Directories to put before the Python path, separated by commas",
        ..Definition::new("pythonpath", Group::App, ValueType::List)
    },
    Definition {
        long: Some("env"),
        short: Some('e'),
        value: "KEY=VALUE",
        occurs: Occurs::Repeatedly,
        help: "Set an environment variable for the app; may be repeated",
        ..Definition::new("raw_env", Group::App, ValueType::Pairs)
    },
    Definition {
        long: Some("python"),
        value: "PATH",
        help: "The Python to run in (only the binary; the wheel runs in the Python it is installed in)",
        more: "Without it: the python3 beside the binary, then $VIRTUAL_ENV/bin/python, then the Python it was built for.",
        ..Definition::new("python", Group::App, ValueType::Path)
    },
    Definition {
        long: Some("root-path"),
        value: "PATH",
        default: Some(""),
        variable: Some(Variable {
            name: "SCRIPT_NAME",
            prefix: "",
            empty: Empty::Unset,
        }),
        help: "The path under which a proxy mounts the app, for example /api",
        more: "ASGI's root_path, WSGI's SCRIPT_NAME.",
        ..Definition::new("root_path", Group::App, ValueType::Text)
    },
];
