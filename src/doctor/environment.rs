//! The variables of a deployment by name, and its command with them expanded.

use super::deployment::{
    CommandWord, Deployment, DeploymentVariable, DeploymentVariables, Expansion, Manager,
    VariableMaps, VariableSource,
};
use super::files::expansion;

/// The values that the server's process has, as far as the files show them.
pub fn variables(deployment: &Deployment, maps: &VariableMaps) -> DeploymentVariables {
    let mut variables = DeploymentVariables::new();
    for source in &deployment.environment {
        match source {
            VariableSource::Given { name, variable } => {
                let value = match (&variable.value, deployment.manager) {
                    (Some(value), Manager::Kubernetes) => {
                        expansion::kubernetes(value, &|name| value_of(&variables, name))
                    }
                    (value, _) => value.clone(),
                };
                let place = variable.place.clone();
                variables.insert(name.clone(), DeploymentVariable { value, place });
            }
            VariableSource::Map { map, prefix } => {
                for (key, variable) in maps.get(map).into_iter().flatten() {
                    variables.insert(format!("{prefix}{key}"), variable.clone());
                }
            }
            VariableSource::Key {
                name,
                map,
                key,
                place,
            } => {
                let found = maps.get(map).and_then(|entries| entries.get(key));
                let variable = DeploymentVariable {
                    value: found.and_then(|variable| variable.value.clone()),
                    place: place.clone(),
                };
                variables.insert(name.clone(), variable);
            }
        }
    }
    variables
}

/// The command as the server's process gets it.
pub fn command(deployment: &Deployment, variables: &DeploymentVariables) -> Vec<CommandWord> {
    let lookup = |name: &str| value_of(variables, name);
    let mut words = Vec::new();
    for word in &deployment.command {
        let Some(text) = &word.text else {
            words.push(word.clone());
            continue;
        };
        let expanded = match deployment.expansion {
            Expansion::None => Some(vec![text.clone()]),
            Expansion::Shell => expansion::shell_word(text, &lookup),
            Expansion::Systemd => expansion::systemd_word(text, &lookup),
            Expansion::Kubernetes => expansion::kubernetes(text, &lookup).map(|text| vec![text]),
        };
        let place = &word.place;
        match expanded {
            None => words.push(CommandWord {
                text: None,
                place: place.clone(),
            }),
            Some(texts) => words.extend(texts.into_iter().map(|text| CommandWord {
                text: Some(text),
                place: place.clone(),
            })),
        }
    }
    words
}

fn value_of(variables: &DeploymentVariables, name: &str) -> Option<String> {
    variables.get(name)?.value.clone()
}

/// Name, value and place of each, for tests.
#[cfg(test)]
pub fn listed(variables: &DeploymentVariables) -> Vec<(&str, Option<&str>, &str)> {
    variables
        .iter()
        .map(|(name, one)| (name.as_str(), one.value.as_deref(), one.place.as_str()))
        .collect()
}
