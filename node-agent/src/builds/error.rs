use common::archive;
use common::link::{BuildFailure, NEEDS_ARCHITECTURE};

use crate::chain::chain;
use crate::layers::{BlobError, LayerError};
use crate::layout::LayoutError;
use crate::runtime::RuntimeError;

/// A build made no layer. The variants' names are the reasons users see.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The source cannot be fetched or unpacked.
    #[error("{0}")]
    BadSource(String),
    /// What the check found: `SyntaxError`, `NoEntry`, `AmbiguousEntry`, `BadHandler`.
    #[error("{message}")]
    Check {
        /// Which.
        reason: String,
        /// The file, the line, what is wanted.
        message: String,
    },
    /// pip did not install what was asked for.
    #[error("{message}")]
    Requirements {
        /// What pip says.
        message: String,
        /// Whether it was the network.
        transient: bool,
    },
    /// It holds machine code, and this node cannot make that of the architecture or Python wanted.
    #[error(
        "the requirements hold machine code, and this node builds it for {found} only, not for {wanted}"
    )]
    NeedsArchitecture {
        /// What the layer is for.
        wanted: String,
        /// What the node can do.
        found: String,
    },
    /// It wrote more than it may.
    #[error(
        "the build filled its disk of {0} bytes; take fewer or smaller requirements, or raise builds.disk on the nodes"
    )]
    DiskFull(u64),
    /// It used more memory than it may.
    #[error(
        "the build used up its memory of {0} bytes; take requirements that have wheels, or raise builds.memory on the nodes"
    )]
    OutOfMemory(u64),
    /// It needs packages that the base has preinstalled, and this node cannot get them.
    #[error(
        "{packages} comes preinstalled with base full, which this node cannot prepare: {problem}; \
         or name it in requirements.txt"
    )]
    Base {
        /// What it needs.
        packages: String,
        /// What is in the way.
        problem: String,
    },
    /// It took too long.
    #[error("not built within {0} s")]
    Timeout(u32),
    /// The layer is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// The layer cannot be stored.
    #[error("store layer")]
    Store(#[from] BlobError),
    /// The layer cannot be kept here.
    #[error(transparent)]
    Keep(#[from] LayerError),
    /// The disk.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The node.
    #[error("{0}")]
    Node(String),
    /// The master wants it no more.
    #[error("cancelled")]
    Cancelled,
}

impl BuildError {
    pub(super) fn pack(error: archive::Error) -> Self {
        match error {
            archive::Error::Limit { .. } => Self::TooLarge(format!("the layer is {error}")),
            error @ archive::Error::Refused { .. } => Self::BadSource(error.to_string()),
            error => Self::Node(chain(&error)),
        }
    }

    /// How it is reported.
    #[must_use]
    pub fn failure(&self) -> BuildFailure {
        let (reason, transient) = match self {
            Self::BadSource(_) => ("BadSource", false),
            Self::Check { reason, .. } => (reason.as_str(), false),
            Self::Requirements { transient, .. } => ("RequirementsFailed", *transient),
            Self::NeedsArchitecture { .. } => (NEEDS_ARCHITECTURE, false),
            Self::DiskFull(_) => ("DiskFull", false),
            Self::OutOfMemory(_) => ("OutOfMemory", false),
            Self::Base { .. } => ("BaseUnavailable", true),
            Self::Timeout(_) => ("Timeout", false),
            Self::TooLarge(_) => ("TooLarge", false),
            Self::Store(error) => ("StoreFailed", error.transient),
            Self::Cancelled => ("Cancelled", true),
            Self::Keep(_) | Self::Layout(_) | Self::Runtime(_) | Self::Node(_) => {
                ("NodeFailed", true)
            }
        };
        BuildFailure {
            reason: reason.to_owned(),
            message: chain(self),
            transient,
        }
    }
}
