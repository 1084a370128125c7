//! The JSON schema of `rgun.toml` (`docs/rgun.schema.json`), for editors. A test fails when the file is stale.

use serde_json::{Map, Value, json};

use super::{Definition, Occurs, ValueType, definitions};

/// Ends with a line break.
#[must_use]
pub fn schema() -> String {
    let properties: Map<String, Value> = definitions()
        .filter(|definition| definition.name != "config")
        .map(|definition| (definition.name.to_owned(), property(definition)))
        .collect();
    // The options' spellings are accepted, too; an editor is to propose only one.
    let others: Map<String, Value> = definitions()
        .filter(|definition| definition.name != "config")
        .flat_map(|definition| {
            let spellings = definition.long.iter().chain(definition.aliases);
            spellings.map(move |long| (definition, *long))
        })
        .flat_map(|(definition, long)| {
            [long.to_owned(), long.replace('-', "_")].map(|spelling| (definition.name, spelling))
        })
        .filter(|(name, spelling)| name != spelling)
        .map(|(name, spelling)| {
            let same = json!({ "$ref": format!("#/properties/{name}") });
            (spelling, same)
        })
        .collect();
    let patterns: Map<String, Value> = others
        .into_iter()
        .filter(|(spelling, _)| !properties.contains_key(spelling))
        .map(|(spelling, same)| (format!("^{spelling}$"), same))
        .collect();
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "urn:rgun:schema:rgun.toml",
        "title": "rgun.toml",
        "description": "Settings of rgun; the same in the table [tool.rgun] of pyproject.toml",
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false,
    });
    format!("{schema:#}\n")
}

fn property(definition: &Definition) -> Value {
    let one = one(definition);
    let mut property = match (definition.occurs, definition.kind) {
        (Occurs::Repeatedly, kind) => {
            let mut forms = vec![one.clone(), json!({ "type": "array", "items": one })];
            if kind == ValueType::Pairs {
                forms.push(table());
            }
            json!({ "anyOf": forms })
        }
        (Occurs::Once, ValueType::List) => {
            json!({ "anyOf": [one, { "type": "array", "items": { "type": "string" } }] })
        }
        (Occurs::Once, ValueType::Pairs) => json!({
            "anyOf": [one, { "type": "array", "items": { "type": "string" } }, table()]
        }),
        (Occurs::Once, _) => one,
    };
    if let Some(fields) = property.as_object_mut() {
        let text = if definition.more.is_empty() {
            definition.help.to_owned()
        } else {
            format!("{}. {}", definition.help, definition.more)
        };
        fields.insert("description".to_owned(), text.into());
        if let Some(default) = definition.default {
            fields.insert("default".to_owned(), typed(definition.kind, default));
        }
    }
    property
}

fn table() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn one(definition: &Definition) -> Value {
    match definition.kind {
        ValueType::Switch => json!({ "type": "boolean" }),
        ValueType::Number | ValueType::Size | ValueType::Mask => {
            json!({ "type": ["integer", "string"] })
        }
        ValueType::Duration => json!({ "type": ["number", "string"] }),
        ValueType::Text if definition.may_be_number() => json!({ "type": ["number", "string"] }),
        ValueType::Text | ValueType::Path | ValueType::List | ValueType::Pairs => {
            json!({ "type": "string" })
        }
        ValueType::Choice(names) => {
            let mut values: Vec<Value> = names.iter().map(|name| (*name).into()).collect();
            if names.contains(&"on") || names.contains(&"true") || definition.bare.is_some() {
                values.extend([true.into(), false.into()]);
            }
            json!({ "enum": values })
        }
        ValueType::TextOrTable | ValueType::Named => json!({ "type": ["string", "object"] }),
        ValueType::Json => json!({ "type": "object" }),
    }
}

fn typed(kind: ValueType, default: &str) -> Value {
    match kind {
        ValueType::Switch => (default == "true").into(),
        ValueType::Number | ValueType::Size | ValueType::Mask | ValueType::Duration => default
            .parse::<u64>()
            .map_or_else(|_| default.into(), Value::from),
        _ => default.into(),
    }
}
