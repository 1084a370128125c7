//! The environment as a source: the variables that platforms set. It takes them as data and reads none itself.

use std::collections::BTreeMap;

use super::definition::Empty;
use super::{Layer, Origin, definitions};

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
            Origin::Variable(variable.name),
        );
    }
    layer
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
}
