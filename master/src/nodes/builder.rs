use crate::platform::Platform;

/// Whom a layer is to be built for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildTarget {
    /// Any of these; empty: whatever the node is that builds it. An empty Python stands for the
    /// building node's.
    pub platforms: Vec<Platform>,
    /// Only by a node of one of these: others have tried and could not.
    pub native_only: bool,
}

/// A node that could build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    pub(super) node: &'a str,
    pub(super) platform: &'a Platform,
    /// Builds it was given in this session.
    pub(super) given: u32,
}

/// The node for a build, and what it builds for: a node of a wanted kind, else any, which takes wheels
/// for the other kind without running them. Among equals the one with the fewest builds.
pub(super) fn choose<'a>(
    candidates: &[Candidate<'a>],
    target: &BuildTarget,
) -> Option<(&'a str, Platform)> {
    let least = |found: &mut dyn Iterator<Item = &Candidate<'a>>| {
        found
            .min_by_key(|candidate| (candidate.given, candidate.node))
            .cloned()
    };
    let wanted = &target.platforms;
    let native = |c: &&Candidate<'a>| {
        wanted.is_empty() || wanted.iter().any(|wanted| wanted.serves(c.platform))
    };
    if let Some(found) = least(&mut candidates.iter().filter(native)) {
        return Some((found.node, found.platform.clone()));
    }
    if target.native_only {
        return None;
    }
    let found = least(&mut candidates.iter())?;
    let mut platform = wanted.first()?.clone();
    if platform.python.is_empty() {
        platform.python.clone_from(&found.platform.python);
    }
    Some((found.node, platform))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_the_kind_builds_else_any_takes_foreign_wheels_unless_that_failed() {
        let (amd, arm) = (
            Platform::new("amd64", "3.11"),
            Platform::new("arm64", "3.13"),
        );
        let candidate = |node, platform, given| Candidate {
            node,
            platform,
            given,
        };
        let both = [candidate("a", &amd, 0), candidate("b", &arm, 5)];
        let any_arm = BuildTarget {
            platforms: vec![Platform::new("arm64", "")],
            native_only: false,
        };
        assert_eq!(choose(&both, &any_arm), Some(("b", arm.clone())));
        assert_eq!(
            choose(&both, &BuildTarget::default()),
            Some(("a", amd.clone()))
        );
        let only_amd = &both[..1];
        assert_eq!(
            choose(only_amd, &any_arm),
            Some(("a", Platform::new("arm64", "3.11")))
        );
        let native = BuildTarget {
            native_only: true,
            ..any_arm
        };
        assert_eq!(choose(only_amd, &native), None);
        assert_eq!(choose(&[], &BuildTarget::default()), None);
    }
}
