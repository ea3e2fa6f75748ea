use common::resources::check_dns_label;
use serde::{Deserialize, Serialize};

/// What a user may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything that belongs to the work in some namespaces; calls there, too.
    Developer {
        /// The namespaces.
        namespaces: Vec<String>,
    },
    /// Call functions and start runs in some namespaces, and nothing else.
    Invoker {
        /// The namespaces.
        namespaces: Vec<String>,
    },
}

/// The words do not make a role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RoleError {
    /// There is no such role.
    #[error("role {0:?}: want admin, developer or invoker")]
    Unknown(String),
    /// It is a role in a namespace.
    #[error("role {0}: say in which namespaces")]
    NoNamespace(String),
    /// It is a role in all of them.
    #[error("role admin: it is for all namespaces")]
    Namespaces,
    /// That cannot be a namespace.
    #[error(transparent)]
    Name(#[from] common::resources::NameError),
}

impl Role {
    /// A role by its name.
    ///
    /// # Errors
    /// When there is none of the name, or namespaces are missing, wrong or too much.
    pub fn new(name: &str, namespaces: Vec<String>) -> Result<Self, RoleError> {
        for namespace in &namespaces {
            check_dns_label(namespace)?;
        }
        match (name, namespaces.is_empty()) {
            ("admin", true) => Ok(Self::Admin),
            ("admin", false) => Err(RoleError::Namespaces),
            ("developer" | "invoker", true) => Err(RoleError::NoNamespace(name.to_owned())),
            ("developer", false) => Ok(Self::Developer { namespaces }),
            ("invoker", false) => Ok(Self::Invoker { namespaces }),
            _ => Err(RoleError::Unknown(name.to_owned())),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer { .. } => "developer",
            Self::Invoker { .. } => "invoker",
        }
    }

    /// The namespaces it is for; empty when it is for all.
    #[must_use]
    pub fn namespaces(&self) -> &[String] {
        match self {
            Self::Admin => &[],
            Self::Developer { namespaces } | Self::Invoker { namespaces } => namespaces,
        }
    }

    /// Whether it lets one change what runs in a namespace.
    #[must_use]
    pub fn develops(&self, namespace: &str) -> bool {
        match self {
            Self::Admin => true,
            Self::Developer { namespaces } => namespaces.iter().any(|own| own == namespace),
            Self::Invoker { .. } => false,
        }
    }

    /// Whether it lets one call what is in a namespace.
    #[must_use]
    pub fn invokes(&self, namespace: &str) -> bool {
        *self == Self::Admin || self.namespaces().iter().any(|own| own == namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_names_its_namespaces() {
        let of = |name, namespaces: &[&str]| {
            Role::new(name, namespaces.iter().map(ToString::to_string).collect())
        };
        assert_eq!(of("admin", &[]), Ok(Role::Admin));
        assert_eq!(of("admin", &["a"]), Err(RoleError::Namespaces));
        assert!(matches!(
            of("developer", &[]),
            Err(RoleError::NoNamespace(_))
        ));
        assert!(matches!(of("king", &["a"]), Err(RoleError::Unknown(_))));
        assert!(matches!(of("invoker", &["A/b"]), Err(RoleError::Name(_))));
        let developer = of("developer", &["a", "b"]).unwrap();
        assert!(developer.develops("b") && developer.invokes("a"));
        assert!(!developer.develops("c") && !developer.invokes("c"));
        let invoker = of("invoker", &["a"]).unwrap();
        assert!(invoker.invokes("a") && !invoker.develops("a") && !invoker.invokes("b"));
    }
}
