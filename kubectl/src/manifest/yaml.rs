//! YAML and JSON texts, read into JSON values that remember on which line each field stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use super::places::{Place, Places, join};
use super::problem::Problem;

/// One document of a file.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// What it says.
    pub value: Value,
    /// Where it says so.
    pub places: Places,
}

/// Reads all documents of `text`; empty ones are left out.
///
/// # Errors
/// When the text is neither YAML nor JSON.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Document>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let json = text
        .trim_start()
        .starts_with('{')
        .then(|| serde_json::from_str::<Value>(text).ok());
    let nodes: Result<Vec<Spanned<Node>>, _> = serde_saphyr::from_multiple_with_options(
        text,
        serde_saphyr::options! { with_snippet: false, strict_booleans: true },
    );
    match (json.flatten(), nodes) {
        // JSON keeps its numbers to the last digit, whatever YAML would make of them.
        (Some(value), nodes) => {
            let read = nodes.ok().and_then(|nodes| nodes.into_iter().next());
            let places = read.map(|node| flatten(node).places).unwrap_or_default();
            Ok(vec![Document { value, places }])
        }
        (None, Ok(nodes)) => Ok(nodes
            .into_iter()
            .filter(|node| !matches!(node.value, Node::Plain(Value::Null)))
            .map(flatten)
            .collect()),
        (None, Err(error)) => Err(syntax_problem(file, &error)),
    }
}

fn syntax_problem(file: &str, error: &serde_saphyr::Error) -> Problem {
    let message = error.to_string();
    let message = message.lines().next().unwrap_or_default();
    let message = message.split(" at line ").next().unwrap_or(message);
    let message = message.strip_prefix("error: ").unwrap_or(message);
    Problem {
        file: file.to_owned(),
        place: error.location().map(place_of),
        field: String::new(),
        message: format!("this is not YAML: {message}"),
    }
}

/// A node of the document, as the parser hands it over.
enum Node {
    Plain(Value),
    List(Vec<Spanned<Node>>),
    Object(Vec<(Spanned<String>, Spanned<Node>)>),
}

fn place_of(location: Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

fn flatten(node: Spanned<Node>) -> Document {
    let mut places = Places::default();
    places.insert(String::new(), place_of(node.referenced));
    let value = flatten_node(node.value, "", &mut places);
    Document { value, places }
}

fn flatten_node(node: Node, pointer: &str, places: &mut Places) -> Value {
    match node {
        Node::Plain(value) => value,
        Node::List(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                let pointer = join(pointer, &index.to_string());
                places.insert(pointer.clone(), place_of(item.referenced));
                flatten_node(item.value, &pointer, places)
            })
            .collect(),
        Node::Object(entries) => {
            let mut object = Map::new();
            for (key, item) in entries {
                let pointer = join(pointer, &key.value);
                places.insert(pointer.clone(), place_of(key.referenced));
                let value = flatten_node(item.value, &pointer, places);
                object.insert(key.value, value);
            }
            Value::Object(object)
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can carry")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Node, E> {
        let number = Number::from_i128(value);
        number
            .map(|n| Node::Plain(n.into()))
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Node, E> {
        let number = Number::from_u128(value);
        number
            .map(|n| Node::Plain(n.into()))
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value);
        number
            .map(|n| Node::Plain(n.into()))
            .ok_or_else(|| E::custom("JSON cannot carry NaN and infinity"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Plain(Value::String(value)))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if key.value.len() > 10_000 {
                return Err(A::Error::custom("a key of more than 10,000 bytes"));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Node::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Document {
        let mut documents = read("a.yaml", text).unwrap();
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    }

    #[test]
    fn numbers_stay_what_they_are() {
        let value =
            one("a: 0\nb: -7\nc: 1.5\nd: 18446744073709551615\ne: \"5\"\nf: '0x10'\ng: 1e3").value;
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            r#"{"a":0,"b":-7,"c":1.5,"d":18446744073709551615,"e":"5","f":"0x10","g":1000.0}"#
        );
        assert!(value["a"].is_number() && value["a"].as_i64() == Some(0));
        let value = one(r#"{"n": 123456789012345678901234567890.5, "t": 1.10}"#).value;
        assert_eq!(value["n"].to_string(), "123456789012345678901234567890.5");
        assert_eq!(value["t"].to_string(), "1.10");
    }

    #[test]
    fn words_are_read_as_kubectl_reads_them() {
        let value =
            one("a: true\nb: null\nc: ~\nd:\ne: text\nf: 'true'\ng: [1, x]\nh: {i: j}").value;
        assert_eq!(
            value,
            json!({"a": true, "b": null, "c": null, "d": null, "e": "text", "f": "true",
                   "g": [1, "x"], "h": {"i": "j"}})
        );
    }

    #[test]
    fn only_true_and_false_are_truths() {
        // Seed 1 says `checkVarName: y`.
        let value = one("a: y\nb: yes\nc: on\nd: No\ne: True\nf: false\n").value;
        assert_eq!(
            value,
            json!({"a": "y", "b": "yes", "c": "on", "d": "No", "e": true, "f": false})
        );
    }

    #[test]
    fn every_field_knows_its_line() {
        let document = one("kind: A\nspec:\n  list:\n  - name: x\n  - name: y\n    deep: {a: 1}\n");
        let line = |pointer: &str| document.places.find(pointer).map(|place| place.line);
        assert_eq!(line("/kind"), Some(1));
        assert_eq!(line("/spec"), Some(2));
        assert_eq!(line("/spec/list/1/name"), Some(5));
        assert_eq!(line("/spec/list/1/deep/a"), Some(6));
    }

    #[test]
    fn json_knows_its_lines_too_and_keeps_its_order() {
        let document =
            one("{\n\t\"Name\": \"m\",\n\t\"States\": {\n\t\t\"B\": {},\n\t\t\"A\": {}\n\t}\n}\n");
        assert_eq!(document.places.find("/States/A").map(|p| p.line), Some(5));
        let names: Vec<_> = document.value["States"]
            .as_object()
            .unwrap()
            .keys()
            .collect();
        assert_eq!(names, ["B", "A"]);
    }

    #[test]
    fn several_documents_and_empty_ones() {
        let documents = read("a", "---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].places.find("/b").map(|p| p.line), Some(8));
        assert!(read("a", "# only a comment\n").unwrap().is_empty());
        assert!(read("a", "").unwrap().is_empty());
    }

    #[test]
    fn anchors_and_merge_keys_work() {
        let value = one("base: &b {x: 1}\nuse:\n  <<: *b\n  y: 2\n").value;
        assert_eq!(value["use"], json!({"x": 1, "y": 2}));
    }

    #[test]
    fn what_does_not_parse_names_the_line() {
        let problem = read("a.yaml", "a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(problem.place.is_some(), "{problem}");
        let problem = read("a.yaml", "a: 1\na: 2\n").unwrap_err().to_string();
        assert!(
            problem.contains("line 2") && problem.contains("duplicate"),
            "{problem}"
        );
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let item = format!("*a{}", n - 1);
            text.push_str(&format!("a{n}: &a{n} [{}]\n", vec![item; 9].join(", ")));
        }
        assert!(read("a", &text).is_err());
    }
}
