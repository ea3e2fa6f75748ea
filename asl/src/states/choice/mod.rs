//! Choice: where next?
//!
//! - [`condition`]: And, Or, Not and tests
//! - [`operator`]: the 39 operators

pub mod condition;
pub mod operator;
pub mod require;

use indexmap::IndexMap;
use serde_json::Value;

use super::io::{Has, InputOutput, assign, assigned, template};
use crate::data::context::Scope;
use crate::data::payload_template::Template;
use crate::failure::{Failure, names};
use crate::history::Payload;
use crate::program::fields::Fields;
use condition::Condition;
use require::Requirement;

/// A Choice state.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its data fields; `Assign` is for the case that no rule matches.
    pub io: InputOutput,
    /// The rules, tried in order.
    pub rules: Vec<Rule>,
    /// Where it leads if none matches.
    pub default: Option<String>,
    /// What the input must have (an extension).
    pub require: Vec<Requirement>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// When it matches.
    pub condition: Condition,
    /// Where it leads.
    pub next: String,
    /// Variables to set.
    pub assign: Option<Template>,
    /// JSONata's `Output`.
    pub output: Option<Template>,
}

/// What a Choice decided: where to, with what output and variables.
pub(crate) type Decided = (String, Value, IndexMap<String, Payload>);

impl Choice {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Choice> {
        let io = InputOutput::parse(fields, Has::Paths);
        let default = fields.text("Default").map(str::to_owned);
        let require = require::requirements(fields);
        for name in ["Next", "End"] {
            if fields.get(name).is_some() {
                fields.wrong(
                    name,
                    format!(
                        "a Choice state has no '{name}': its rules and 'Default' say where it leads"
                    ),
                );
            }
        }
        fields.required("Choices")?;
        let list = fields.list("Choices")?;
        if list.is_empty() {
            fields.wrong("Choices", "'Choices' must have at least one rule");
        }
        let place = fields.place.key("Choices");
        let mut rules = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let Some(mut rule) =
                Fields::of("a choice rule", value, place.index(index), fields.problems)
            else {
                continue;
            };
            (rule.speaks, rule.within) = (fields.speaks, format!("Choices[{index}]/"));
            let next = rule.required_text("Next").unwrap_or_default().to_owned();
            let assign = assign(&mut rule);
            let is_query = rule.speaks.jsonata();
            let output = if is_query {
                template(&mut rule, "Output")
            } else {
                None
            };
            let condition = if is_query {
                condition::parse_query(&mut rule)
            } else {
                condition::parse(&mut rule)
            };
            rule.finish();
            rules.extend(condition.map(|condition| Rule {
                condition,
                next,
                assign,
                output,
            }));
        }
        Some(Choice {
            io,
            rules,
            default,
            require,
        })
    }

    pub(crate) fn evaluate(
        &self,
        name: &str,
        raw: &Value,
        scope: &Scope<'_>,
    ) -> Result<Decided, Failure> {
        let input = self.io.input_path.select(raw, scope)?;
        for requirement in &self.require {
            requirement.check(name, &input, scope)?;
        }
        let mut chosen = None;
        for rule in &self.rules {
            if rule.condition.holds(&input, scope)? {
                chosen = Some((&rule.next, rule.assign.as_ref(), rule.output.as_ref()));
                break;
            }
        }
        let fallback = || {
            self.default
                .as_ref()
                .map(|next| (next, self.io.assign.as_ref(), self.io.output.as_ref()))
        };
        let Some((next, assign, output)) = chosen.or_else(fallback) else {
            return Err(Failure::new(
                names::NO_CHOICE_MATCHED,
                "Failed to transition out of the state. The state does not point to a next state.",
            ));
        };
        let assigned = assigned(assign, &input, scope)?;
        let output = match output {
            Some(output) => output.evaluate(&input, scope)?,
            None => self.io.output_path.select(&input, scope)?.into_owned(),
        };
        Ok((next.clone(), output, assigned))
    }
}
