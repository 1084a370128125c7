//! The settings as `server.cfg` shows them to hooks: by gunicorn's names, as JSON.

use serde_json::{Map, Value};

use super::{Definition, Layers, Occurs, Settings, ValueType, understood};

#[must_use]
pub fn cfg(layers: &Layers, settings: &Settings) -> String {
    let mut values: Map<String, Value> = understood()
        .map(|definition| (definition.name.to_owned(), value(definition, layers)))
        .collect();
    values.insert("workers".to_owned(), settings.workers.into());
    values.insert(
        "env".to_owned(),
        settings
            .env
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect::<Map<_, _>>()
            .into(),
    );
    Value::Object(values).to_string()
}

fn value(definition: &Definition, layers: &Layers) -> Value {
    let given = layers.given(definition.name);
    let mut texts: Vec<&str> = given.iter().map(|given| given.text.as_str()).collect();
    if texts.is_empty() {
        texts.extend(definition.default);
    }
    if definition.occurs == Occurs::Repeatedly {
        return texts.into_iter().map(Value::from).collect();
    }
    let Some(text) = texts.pop() else {
        return match definition.kind {
            ValueType::Switch => false.into(),
            ValueType::Json => Map::new().into(),
            _ => Value::Null,
        };
    };
    let parts = || {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    match definition.kind {
        ValueType::Switch => (!matches!(text, "false" | "no" | "off" | "0" | "n")).into(),
        ValueType::List => parts().map(Value::from).collect(),
        ValueType::Pairs => parts()
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect::<Map<_, _>>()
            .into(),
        ValueType::Json => serde_json::from_str(text).unwrap_or(Value::Null),
        ValueType::Number | ValueType::Duration | ValueType::Size | ValueType::Mask => {
            let whole = text.parse::<i64>().map(Value::from);
            let whole = whole.or_else(|_| text.parse::<f64>().map(Value::from));
            whole.unwrap_or_else(|_| text.into())
        }
        ValueType::Text
        | ValueType::TextOrTable
        | ValueType::Named
        | ValueType::Path
        | ValueType::Choice(_) => text.into(),
    }
}
