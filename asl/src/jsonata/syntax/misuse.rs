//! What Step Functions forbids: there is no input document that `$`, `$$` or a bare name could mean.

use super::ast::{Kind, Node};

/// The first thing that stands for nothing at the top of an expression.
pub(crate) fn find(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Variable(name) if name.is_empty() || &**name == "$" => Some(format!(
            "'${name}' means nothing here: use $states or a variable"
        )),
        Kind::Name(name) => Some(format!(
            "'{name}' means nothing here: fields are found in $states.input and the like"
        )),
        Kind::Wildcard | Kind::Descendants => {
            Some("'*' and '**' mean nothing here: use $states or a variable".to_owned())
        }
        // Later steps, predicates and groups see what the first step found.
        Kind::Path { steps, .. } => steps.first().and_then(find),
        Kind::Binary(_, left, right) | Kind::Apply(left, right) => {
            find(left).or_else(|| find(right))
        }
        Kind::Negate(inner) | Kind::Bind(_, inner) => find(inner),
        Kind::Condition(test, then, otherwise) => find(test)
            .or_else(|| find(then))
            .or_else(|| otherwise.as_ref().and_then(|node| find(node))),
        Kind::Array(items) | Kind::Block(items) => items.iter().find_map(find),
        Kind::Object(pairs) => pairs
            .iter()
            .find_map(|(name, value)| find(name).or_else(|| find(value))),
        Kind::Lambda(lambda) => find(&lambda.body),
        Kind::Call {
            procedure,
            arguments,
        }
        | Kind::Partial {
            procedure,
            arguments,
        } => find(procedure).or_else(|| arguments.iter().find_map(find)),
        _ => None,
    }
}
