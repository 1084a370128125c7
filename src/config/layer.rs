//! The values of one source as unparsed text, and the sources in order of precedence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Definition, Origin, definition};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub text: String,
    pub origin: Origin,
}

/// All values of one source. Every part of it is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenLayer")]
pub struct Layer {
    values: BTreeMap<&'static str, Vec<Given>>,
}

impl Layer {
    /// Repeated settings collect; of the others every occurrence is kept, too, and the last one takes effect.
    pub fn add(
        &mut self,
        definition: &'static Definition,
        text: impl Into<String>,
        origin: Origin,
    ) {
        self.values.entry(definition.name).or_default().push(Given {
            text: text.into(),
            origin,
        });
    }
}

/// As another release may have written it.
#[derive(Deserialize)]
struct WrittenLayer {
    values: BTreeMap<String, Vec<Given>>,
}

impl From<WrittenLayer> for Layer {
    /// Settings that only the other release has are left out.
    fn from(written: WrittenLayer) -> Self {
        let values = written.values.into_iter();
        Self {
            values: values
                .filter_map(|(name, given)| Some((definition(&name)?.name, given)))
                .collect(),
        }
    }
}

/// The sources of a run, the weakest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    #[must_use]
    pub fn new(weakest_first: Vec<Layer>) -> Layers {
        Layers {
            layers: weakest_first,
        }
    }

    #[must_use]
    pub fn into_layers(self) -> Vec<Layer> {
        self.layers
    }

    /// The values of the strongest source that sets it: sources replace each other's lists, they do not extend them, as
    /// with gunicorn. Empty: the setting was not given.
    #[must_use]
    pub fn given(&self, name: &'static str) -> &[Given] {
        debug_assert!(definition(name).is_some(), "no setting is called {name}");
        self.layers
            .iter()
            .rev()
            .find_map(|layer| layer.values.get(name))
            .map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_source_replaces_the_weaker_ones_whole() {
        let bind = definition("bind").unwrap();
        let layer = |texts: &[&str], origin: Origin| {
            let mut layer = Layer::default();
            for text in texts {
                layer.add(bind, *text, Origin::clone(&origin));
            }
            layer
        };
        let layers = Layers::new(vec![
            layer(&["a"], Origin::Variable("PORT".into())),
            layer(&["b", "c"], Origin::CmdArgs("X".into())),
            Layer::default(),
        ]);
        let texts: Vec<_> = layers
            .given("bind")
            .iter()
            .map(|given| given.text.as_str())
            .collect();
        assert_eq!(texts, ["b", "c"]);
        assert_eq!(layers.given("workers"), []);
    }
}
