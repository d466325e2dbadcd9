//! YAML with the line of every value.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A value, and the line on which it stands, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub line: u64,
    content: Content,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    Scalar(Value),
}

/// The documents of a text.
///
/// # Errors
/// The line, and what is wrong there.
pub fn parse(text: &str) -> Result<Vec<Node>, (u64, String)> {
    serde_saphyr::from_multiple::<Node>(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let message = error.without_snippet().to_string();
        let sentence = message.lines().next().unwrap_or_default().to_owned();
        (line, format!("is no YAML: {sentence}"))
    })
}

/// The objects of a document: the items of a list of any kind, else the document itself; none of an empty document.
pub fn objects(document: &Node) -> Vec<&Node> {
    match (document.get("kind").and_then(Node::text), document.get("items").map(|items| &items.content)) {
        (Some(kind), Some(Content::List(items))) if kind.ends_with("List") => items.iter().collect(),
        _ if document.content == Content::Scalar(Value::Null) => Vec::new(),
        _ => vec![document],
    }
}

impl Node {
    fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The value without lines.
    pub fn json(&self) -> Value {
        match &self.content {
            Content::Map(fields) => {
                Value::Object(fields.iter().map(|(key, node)| (key.clone(), node.json())).collect::<Map<_, _>>())
            }
            Content::List(items) => Value::Array(items.iter().map(Self::json).collect()),
            Content::Scalar(value) => value.clone(),
        }
    }

    /// The line of a path such as `spec.stages[1].percent`, or of the nearest value around it. An index may also be
    /// the `name` of the item.
    pub fn locate(&self, path: &str) -> u64 {
        let mut node = self;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let next = match (part.strip_suffix(']'), &node.content) {
                (Some(index), Content::List(items)) => match index.parse::<usize>() {
                    Ok(index) => items.get(index),
                    Err(_) => items.iter().find(|item| item.get("name").and_then(Self::text) == Some(index)),
                },
                (None, _) => node.get(part),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.line
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self { line: referenced.line(), content: value })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(Value::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Content::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(field) = fields.next_entry::<String, Node>()? {
            nodes.push(field);
        }
        Ok(Content::Map(nodes))
    }
}
