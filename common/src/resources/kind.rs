use serde::Serialize;
use serde::de::DeserializeOwned;

use super::name::{NameError, check_dns_label, check_dns_subdomain, check_name};
use super::{
    Activity, ConfigMap, Event, Function, Namespace, Node, ObjectMeta, Pod, ReplicaSet, Secret,
    Service, StateMachine, Task, Workflow, WorkflowRun,
};

/// What the API says of a kind: the facts that discovery, tables and paths are made from.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for core.
    pub group: &'static str,
    /// Version within the group.
    pub version: &'static str,
    /// As in YAML, `Function`.
    pub kind: &'static str,
    /// As in URLs, `functions`.
    pub plural: &'static str,
    /// As people type it, `function`.
    pub singular: &'static str,
    /// Abbreviations, `fn`.
    pub short_names: &'static [&'static str],
    /// Groups of kinds, `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether `status` is written apart from the rest.
    pub has_status: bool,
    /// Whether `kubectl scale` works.
    pub has_scale: bool,
    /// What names look like.
    pub name_rule: NameRule,
}

impl Kind {
    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The kind people mean by `word`: its plural, singular, kind or an abbreviation, in any case.
    #[must_use]
    pub fn by_word(word: &str) -> Option<&'static Self> {
        let word = word.to_ascii_lowercase();
        let word = word.split_once('.').map_or(word.as_str(), |(word, _)| word);
        KINDS.iter().copied().find(|kind| {
            kind.plural == word || kind.singular == word || kind.short_names.contains(&word)
        })
    }
}

/// What names of a kind look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// `[A-Za-z0-9_.-]{1,80}`.
    Troupe,
    /// RFC 1123 label.
    DnsLabel,
    /// RFC 1123 subdomain.
    DnsSubdomain,
}

impl NameRule {
    /// Checks a name.
    ///
    /// # Errors
    /// When the name breaks the rule.
    pub fn check(self, name: &str) -> Result<(), NameError> {
        match self {
            Self::Troupe => check_name(name),
            Self::DnsLabel => check_dns_label(name),
            Self::DnsSubdomain => check_dns_subdomain(name),
        }
    }
}

/// A typed object of the API.
pub trait Resource: Serialize + DeserializeOwned + Clone + Default + Send + Sync + 'static {
    /// The facts of its kind.
    const KIND: &'static Kind;

    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// Its metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    /// An empty object of the kind with `apiVersion`, `kind` and these metadata.
    fn with_metadata(metadata: ObjectMeta) -> Self;
}

macro_rules! resource {
    ($type:ident, $plural:literal, $singular:literal, $short:expr, $($field:ident: $value:expr),*) => {
        impl Resource for $type {
            const KIND: &'static Kind = &Kind {
                kind: stringify!($type),
                plural: $plural,
                singular: $singular,
                short_names: &$short,
                $($field: $value,)*
                ..DEFAULT
            };

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }

            fn with_metadata(metadata: ObjectMeta) -> Self {
                Self {
                    api_version: Self::KIND.api_version(),
                    kind: Self::KIND.kind.to_owned(),
                    metadata,
                    ..Self::default()
                }
            }
        }
    };
}

const DEFAULT: Kind = Kind {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    has_status: true,
    has_scale: false,
    name_rule: NameRule::DnsSubdomain,
};

resource!(Function, "functions", "function", ["fn"],
    categories: &["all", "troupe"], name_rule: NameRule::Troupe, has_scale: true);
resource!(Workflow, "workflows", "workflow", ["wf"],
    categories: &["all", "troupe"], name_rule: NameRule::Troupe);
resource!(StateMachine, "statemachines", "statemachine", ["sm"],
    categories: &["all", "troupe"], name_rule: NameRule::Troupe);
resource!(WorkflowRun, "workflowruns", "workflowrun", ["run", "runs"],
    categories: &["troupe"], name_rule: NameRule::Troupe);
resource!(Activity, "activities", "activity", [],
    categories: &["troupe"], name_rule: NameRule::Troupe);
resource!(Task, "tasks", "task", [], categories: &["troupe"]);
resource!(Pod, "pods", "pod", ["po"], categories: &["all"]);
resource!(ReplicaSet, "replicasets", "replicaset", ["rs"], group: "apps", categories: &["all"]);
resource!(Service, "services", "service", ["svc"], categories: &["all"], name_rule: NameRule::Troupe);
resource!(Node, "nodes", "node", ["no"], namespaced: false);
resource!(Namespace, "namespaces", "namespace", ["ns"],
    namespaced: false, name_rule: NameRule::DnsLabel);
resource!(Secret, "secrets", "secret", [], has_status: false);
resource!(ConfigMap, "configmaps", "configmap", ["cm"], has_status: false);
resource!(Event, "events", "event", ["ev"], has_status: false);

/// All kinds the API serves.
pub const KINDS: [&Kind; 14] = [
    Function::KIND,
    Workflow::KIND,
    StateMachine::KIND,
    WorkflowRun::KIND,
    Activity::KIND,
    Task::KIND,
    Pod::KIND,
    ReplicaSet::KIND,
    Service::KIND,
    Node::KIND,
    Namespace::KIND,
    Secret::KIND,
    ConfigMap::KIND,
    Event::KIND,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_means_one_kind() {
        for kind in KINDS {
            for word in [kind.plural, kind.singular, kind.kind]
                .iter()
                .chain(kind.short_names)
            {
                assert_eq!(Kind::by_word(word), Some(kind), "{word}");
            }
        }
        assert_eq!(Kind::by_word("replicasets.apps"), Some(ReplicaSet::KIND));
        assert_eq!(Kind::by_word("deployments"), None);
    }
}
