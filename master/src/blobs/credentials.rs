//! Who the master is at the object store.

use std::collections::BTreeMap;
use std::path::Path;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};

use super::{BlobError, BucketTarget};

/// What the environment may say, by the names that AWS gave them.
const VARIABLES: [(&str, Key); 9] = [
    ("AWS_ACCESS_KEY_ID", Key::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", Key::SecretAccessKey),
    ("AWS_SESSION_TOKEN", Key::Token),
    ("AWS_ROLE_ARN", Key::RoleArn),
    ("AWS_ROLE_SESSION_NAME", Key::RoleSessionName),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", Key::WebIdentityTokenFile),
    (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        Key::ContainerCredentialsRelativeUri,
    ),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        Key::ContainerCredentialsFullUri,
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        Key::ContainerAuthorizationTokenFile,
    ),
];

/// Adds the credentials: of the file that the settings name, else what the environment says; what neither says, the
/// machine's role does.
pub(super) fn add(
    builder: AmazonS3Builder,
    target: &BucketTarget,
) -> Result<AmazonS3Builder, BlobError> {
    let Some((file, profile)) = &target.credentials else {
        let said = VARIABLES.into_iter().filter_map(|(name, key)| {
            let value = std::env::var(name).ok()?;
            Some((key, value))
        });
        return Ok(said.fold(builder, |builder, (key, value)| {
            builder.with_config(key, value)
        }));
    };
    let text = std::fs::read_to_string(file).map_err(|source| BlobError::File {
        path: file.clone(),
        source,
    })?;
    let said = section(&text, profile);
    let get = |name: &str| {
        said.get(name)
            .ok_or_else(|| lacks(file, profile, name, target))
    };
    let builder = builder
        .with_access_key_id(*get("aws_access_key_id")?)
        .with_secret_access_key(*get("aws_secret_access_key")?);
    Ok(match said.get("aws_session_token") {
        Some(token) => builder.with_token(*token),
        None => builder,
    })
}

fn lacks(file: &Path, profile: &str, name: &str, target: &BucketTarget) -> BlobError {
    let file = file.display();
    BlobError::Unusable {
        bucket: target.name(),
        hint: format!("{file} has no {name} under [{profile}]; write it there, or set s3.profile"),
        source: None,
    }
}

/// What a profile of a credentials file says.
fn section<'a>(text: &'a str, profile: &str) -> BTreeMap<&'a str, &'a str> {
    let mut inside = false;
    let mut said = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            inside = name.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=')
            && inside
            && !line.starts_with(['#', ';'])
        {
            said.insert(name.trim(), value.trim());
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_what_stands_under_its_name() {
        let text = "[default]\naws_access_key_id = A\n# aws_session_token = no\n\n[ other ]\naws_access_key_id=B=\r\n";
        assert_eq!(
            section(text, "default"),
            BTreeMap::from([("aws_access_key_id", "A")])
        );
        assert_eq!(
            section(text, "other"),
            BTreeMap::from([("aws_access_key_id", "B=")])
        );
        assert_eq!(section(text, "third"), BTreeMap::new());
    }
}
