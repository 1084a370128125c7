//! YAML documents as trees of texts with their lines.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::words::CommandLines;

/// Deployment files are far smaller.
const MOST_BYTES: usize = 1 << 20;
const DEEPEST: usize = 64;

#[derive(Debug, Clone)]
pub struct YamlNode {
    pub first_line: usize,
    pub last_line: usize,
    content: YamlContent,
}

#[derive(Debug, Clone)]
enum YamlContent {
    Nothing,
    /// As it is written.
    Text(String),
    List(Vec<YamlNode>),
    Fields(Vec<YamlField>),
}

#[derive(Debug, Clone)]
pub struct YamlField {
    pub name: String,
    pub line: usize,
    pub value: YamlNode,
}

impl YamlNode {
    pub fn get(&self, wanted: &str) -> Option<&YamlNode> {
        let found = self.fields().iter().find(|field| field.name == wanted);
        found.map(|field| &field.value)
    }

    /// `a/b/c`
    pub fn at(&self, path: &str) -> Option<&YamlNode> {
        path.split('/').try_fold(self, |node, name| node.get(name))
    }

    pub fn text(&self) -> Option<&str> {
        match &self.content {
            YamlContent::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn items(&self) -> &[YamlNode] {
        match &self.content {
            YamlContent::List(items) => items,
            _ => &[],
        }
    }

    pub fn fields(&self) -> &[YamlField] {
        match &self.content {
            YamlContent::Fields(fields) => fields,
            _ => &[],
        }
    }

    pub fn lines<'a>(&self, place: &'a str, text: &'a str) -> CommandLines<'a> {
        CommandLines {
            place,
            text,
            first: self.first_line,
            last: self.last_line,
        }
    }
}

pub fn documents(text: &str) -> Result<Vec<YamlNode>, String> {
    if text.len() > MOST_BYTES {
        return Err("the file is larger than 1 MiB".to_owned());
    }
    let documents = MarkedYaml::load_from_str(text).map_err(|error| error.to_string())?;
    Ok(documents.iter().map(|document| node(document, 0)).collect())
}

fn node<'a>(yaml: &MarkedYaml<'a>, depth: usize) -> YamlNode {
    let content = if depth > DEEPEST {
        YamlContent::Nothing
    } else {
        content(&yaml.data, depth)
    };
    YamlNode {
        first_line: yaml.span.start.line(),
        last_line: yaml.span.end.line(),
        content,
    }
}

fn content<'a>(data: &YamlData<'a, MarkedYaml<'a>>, depth: usize) -> YamlContent {
    let text = match data {
        YamlData::Value(Scalar::Boolean(value)) => value.to_string(),
        YamlData::Value(Scalar::Integer(value)) => value.to_string(),
        YamlData::Value(Scalar::FloatingPoint(value)) => value.to_string(),
        YamlData::Value(Scalar::String(value)) => value.to_string(),
        YamlData::Sequence(items) => {
            return YamlContent::List(items.iter().map(|item| node(item, depth + 1)).collect());
        }
        YamlData::Mapping(fields) => {
            let fields = fields.iter().filter_map(|(name, value)| {
                Some(YamlField {
                    name: name.data.as_str()?.to_owned(),
                    line: name.span.start.line(),
                    value: node(value, depth + 1),
                })
            });
            return YamlContent::Fields(merged(fields.collect()));
        }
        YamlData::Tagged(_, node) => return content(&node.data, depth + 1),
        YamlData::Value(Scalar::Null)
        | YamlData::Representation(..)
        | YamlData::Alias(_)
        | YamlData::BadValue => return YamlContent::Nothing,
    };
    YamlContent::Text(text)
}

/// With the fields of merge keys (`<<`) where a mapping has none of its own, as compose does.
fn merged(fields: Vec<YamlField>) -> Vec<YamlField> {
    let (merges, mut own): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|field| field.name == "<<");
    for merge in merges {
        let mappings = match merge.value.content {
            YamlContent::Fields(fields) => vec![fields],
            YamlContent::List(items) => items.iter().map(|item| item.fields().to_vec()).collect(),
            YamlContent::Nothing | YamlContent::Text(_) => Vec::new(),
        };
        for field in mappings.into_iter().flatten() {
            if !own.iter().any(|one| one.name == field.name) {
                own.push(field);
            }
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_lines() {
        let text = "a: &a\n  b: 1.5\n  c: yes\n---\nd:\n  - x\n  - true\ne: ~\n";
        let found = documents(text).expect("YAML");
        let [first, second] = &found[..] else {
            panic!("{found:?}");
        };
        let number = first.at("a/b").expect("a/b");
        assert_eq!((number.text(), number.first_line), (Some("1.5"), 2));
        let items = second.at("d").expect("d").items();
        let texts: Vec<_> = items
            .iter()
            .map(|item| (item.text(), item.first_line))
            .collect();
        assert_eq!(texts, [(Some("x"), 6), (Some("true"), 7)]);
        let nothing = second.at("e").expect("e");
        assert_eq!(
            (
                nothing.text(),
                nothing.items().len(),
                nothing.fields().len()
            ),
            (None, 0, 0)
        );
        assert!(documents("a: [\n").is_err());
        assert!(documents(&"x".repeat(MOST_BYTES + 1)).is_err());
    }

    #[test]
    fn merge_keys_give_way_to_own_fields() {
        let text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  a: 0\n  <<: [*x, *y]\n";
        let found = documents(text).expect("YAML");
        let merged = found[0].get("z").expect("z");
        for (name, value) in [("a", "0"), ("b", "1"), ("c", "2")] {
            assert_eq!(
                merged.get(name).and_then(YamlNode::text),
                Some(value),
                "{name}"
            );
        }
    }
}
