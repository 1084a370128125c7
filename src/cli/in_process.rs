//! Settings that mean nothing for a server in one process.

use crate::config::{Layers, ValueType, definition};

/// Those about a master, its workers and their replacement, and about what a master starts beside them.
const OF_A_MASTER: [&str; 19] = [
    "workers",
    "preload_app",
    "refork_after",
    "max_requests",
    "max_worker_memory",
    "max_worker_lifetime",
    "timeout",
    "reload",
    "reload_surge",
    "rollback_window",
    "shutdown_delay",
    "preview_header",
    "run_before",
    "beside",
    "admin_bind",
    "control_socket",
    "reuse_port",
    "pidfile",
    "daemon",
];

/// The options of those that were given, and would change something elsewhere.
pub(super) fn without_effect(layers: &Layers) -> Vec<String> {
    let given = OF_A_MASTER.into_iter().filter(|name| {
        layers.given(name).last().is_some_and(|given| {
            let text = given.text.as_str();
            let is_switch = definition(name).is_some_and(|of| of.kind == ValueType::Switch);
            let means_nothing = match *name {
                "workers" => text == "1",
                _ if is_switch => text == "false",
                _ => text.is_empty() || text == "0",
            };
            !means_nothing
        })
    });
    given
        .filter_map(|name| Some(format!("--{}", definition(name)?.long?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layer, Origin};

    #[test]
    fn what_was_given_and_matters_elsewhere_is_named() {
        let mut layer = Layer::default();
        for (name, text) in [
            ("workers", "1"),
            ("reload", "true"),
            ("daemon", "false"),
            ("timeout", "0"),
            ("pidfile", "app.pid"),
            ("bind", ":8000"),
        ] {
            let definition = definition(name).expect("a setting");
            layer.add(definition, text, Origin::CommandLine);
        }
        let layers = Layers::new(vec![layer]);
        assert_eq!(without_effect(&layers), ["--reload", "--pid"]);
    }

    #[test]
    fn each_of_them_is_an_option() {
        for name in OF_A_MASTER {
            let definition = definition(name);
            assert!(definition.is_some_and(|of| of.long.is_some()), "{name}");
        }
    }
}
