//! The environment as a source: the variables that platforms set, passed in as data.

use std::collections::BTreeMap;

use super::definition::Empty;
use super::value::separate_binds;
use super::{
    Definition, Layer, OWN_CMD_ARGS, Occurs, Origin, ValueType, called, definitions, nearest,
};

#[must_use]
pub fn environment(variables: &BTreeMap<String, String>) -> Layer {
    let mut layer = Layer::default();
    for definition in definitions() {
        let Some(variable) = &definition.variable else {
            continue;
        };
        let Some(value) = variables.get(variable.name) else {
            continue;
        };
        if value.is_empty() && variable.empty == Empty::Unset {
            continue;
        }
        layer.add(
            definition,
            format!("{}{value}", variable.prefix),
            Origin::Variable(variable.name.into()),
        );
    }
    layer
}

/// The prefix of rgun's own variables.
const OWN: &str = "RGUN_";

/// What a worker has, and hands to what it starts.
const LEADER: &str = "RGUN_LEADER";

/// Variables that Kubernetes injects for a Service of that name.
const INJECTED: [&str; 2] = ["PORT", "SERVICE_"];

/// `RGUN_WORKERS` and the like, by the name of the setting or of the option, and warnings about unknown ones.
#[must_use]
pub fn own_variables(variables: &BTreeMap<String, String>) -> (Layer, Vec<String>) {
    let (mut layer, mut warnings) = (Layer::default(), Vec::new());
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix(OWN) else {
            continue;
        };
        if variable == OWN_CMD_ARGS
            || variable == LEADER
            || INJECTED.iter().any(|injected| name.starts_with(injected))
        {
            continue;
        }
        let name = name.to_ascii_lowercase();
        let Some(definition) = called(&name) else {
            let meant = nearest(&name).map_or_else(String::new, |known| {
                let known = known.replace('-', "_").to_ascii_uppercase();
                format!("; did you mean {OWN}{known}?")
            });
            warnings.push(format!("{variable} names no setting{meant}"));
            continue;
        };
        let empty = definition
            .variable
            .as_ref()
            .map_or(Empty::Unset, |variable| variable.empty);
        if value.is_empty() && empty == Empty::Unset {
            continue;
        }
        let origin = Origin::Variable(variable.clone().into());
        for text in values(definition, value) {
            layer.add(definition, text, origin.clone());
        }
    }
    (layer, warnings)
}

/// Several values are on separate lines; addresses also on one line, separated by commas.
fn values(definition: &Definition, value: &str) -> Vec<String> {
    let is_one_line = !value.contains(char::is_whitespace);
    if definition.name == "bind" && is_one_line {
        return separate_binds(value);
    }
    let split: Vec<&str> = match (definition.occurs, definition.kind) {
        (Occurs::Once, _) => return vec![value.to_owned()],
        (Occurs::Repeatedly, ValueType::Text) if is_one_line => value.split(',').collect(),
        (Occurs::Repeatedly, _) => value.lines().collect(),
    };
    split
        .into_iter()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn given(variables: &[(&str, &str)], name: &'static str) -> Option<String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Layers::new(vec![environment(&variables)])
            .given(name)
            .last()
            .map(|given| given.text.clone())
    }

    #[test]
    fn port_becomes_an_address_on_all_interfaces() {
        assert_eq!(
            given(&[("PORT", "5000")], "bind").as_deref(),
            Some("0.0.0.0:5000")
        );
        assert_eq!(given(&[("PORT", "")], "bind"), None);
    }

    #[test]
    fn an_empty_variable_is_unset_unless_empty_means_something() {
        assert_eq!(given(&[("WEB_CONCURRENCY", "")], "workers"), None);
        assert_eq!(
            given(&[("WEB_CONCURRENCY", "3")], "workers").as_deref(),
            Some("3")
        );
        assert_eq!(
            given(&[("FORWARDED_ALLOW_IPS", "")], "forwarded_allow_ips").as_deref(),
            Some("")
        );
    }

    fn own(variables: &[(&str, &str)]) -> (Layers, Vec<String>) {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (layer, warnings) = own_variables(&variables);
        (Layers::new(vec![layer]), warnings)
    }

    #[test]
    fn settings_have_variables_of_their_own() {
        let (layers, warnings) = own(&[
            ("RGUN_WORKERS", "4"),
            ("RGUN_ACCESS_LOGFILE", "-"),
            ("RGUN_BIND", ":80,unix:/run/a,:81,tls,:82,plain"),
            ("RGUN_RAW_ENV", "A=b, c\nD=e"),
            ("RGUN_TIMEOUT", ""),
            ("RGUN_FORWARDED_ALLOW_IPS", ""),
        ]);
        let texts = |name| {
            let given = layers.given(name).iter();
            given.map(|given| given.text.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(texts("workers"), ["4"]);
        assert_eq!(texts("accesslog"), ["-"]);
        assert_eq!(
            texts("bind"),
            [":80", "unix:/run/a", ":81,tls", ":82,plain"]
        );
        assert_eq!(texts("raw_env"), ["A=b, c", "D=e"]);
        assert_eq!(texts("timeout"), [""; 0]);
        assert_eq!(texts("forwarded_allow_ips"), [""]);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn what_kubernetes_injects_is_not_ours_and_a_slip_is_told() {
        let (layers, warnings) = own(&[
            ("RGUN_PORT", "tcp://10.0.0.1:80"),
            ("RGUN_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("RGUN_SERVICE_HOST", "10.0.0.1"),
            ("RGUN_CMD_ARGS", "-w 2"),
            ("RGUN_WOKERS", "4"),
        ]);
        assert_eq!(layers, Layers::new(vec![Layer::default()]));
        assert_eq!(
            warnings,
            ["RGUN_WOKERS names no setting; did you mean RGUN_WORKERS?"]
        );
    }
}
