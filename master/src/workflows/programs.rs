//! Programs in use: each definition is parsed once and shared by all its runs.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use asl::Program;
use common::digest::Digest;
use parking_lot::Mutex;
use serde_json::Value;

use super::definition::{DefinitionError, check_state_machine};

/// Most definitions that are remembered while no run uses them.
const MOST: usize = 256;

/// By the digest of the definition: what a definition means follows from it alone.
static KNOWN: LazyLock<Mutex<HashMap<Digest, Arc<Program>>>> = LazyLock::new(Mutex::default);

/// The program of a definition, shared with all who ask for the same.
///
/// # Errors
/// With all problems at once.
pub(super) fn program_of(definition: &Value) -> Result<Arc<Program>, DefinitionError> {
    let digest = Digest::of(definition.to_string().as_bytes());
    if let Some(known) = KNOWN.lock().get(&digest) {
        return Ok(Arc::clone(known));
    }
    let program = Arc::new(check_state_machine(definition)?);
    let mut known = KNOWN.lock();
    if known.len() >= MOST {
        known.retain(|_, program| Arc::strong_count(program) > 1);
    }
    Ok(Arc::clone(known.entry(digest).or_insert(program)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(seconds: usize) -> Value {
        json!({ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": seconds, "End": true } } })
    }

    #[test]
    fn runs_of_one_definition_share_its_program() {
        let first = program_of(&definition(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &program_of(&definition(1)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &program_of(&definition(2)).unwrap()));
        assert!(program_of(&json!({})).is_err());
        for seconds in 0..2 * MOST {
            program_of(&definition(seconds)).unwrap();
        }
        assert!(KNOWN.lock().len() <= MOST, "what nobody uses goes");
        assert!(Arc::ptr_eq(&first, &program_of(&definition(1)).unwrap()));
    }
}
