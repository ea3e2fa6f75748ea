/// The form in which the caller wants objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    #[default]
    Plain,
    /// Rows of a `Table`.
    Table,
    /// Only their metadata.
    Partial,
}

/// The first form in an `Accept` header that the server can give.
pub(crate) fn form(accept: &str) -> Form {
    for offer in accept.split(',') {
        let mut parts = offer.split(';').map(str::trim);
        let json = matches!(
            parts.next(),
            Some("application/json" | "*/*" | "application/*")
        );
        if !json {
            continue;
        }
        let mut shape = "";
        let mut version = "v1";
        for part in parts {
            match part.split_once('=') {
                Some(("as", value)) => shape = value,
                Some(("v", value)) => version = value,
                _ => {}
            }
        }
        match (shape, version) {
            ("", _) => return Form::Plain,
            ("Table", "v1") => return Form::Table,
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "v1") => return Form::Partial,
            _ => {}
        }
    }
    Form::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_can_be_given_is_given() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(form(kubectl), Form::Table);
        assert_eq!(
            form("application/json;as=Table;v=v1beta1, application/json"),
            Form::Plain
        );
        assert_eq!(
            form("application/vnd.kubernetes.protobuf,application/json"),
            Form::Plain
        );
        let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        assert_eq!(form(partial), Form::Partial);
        assert_eq!(form(""), Form::Plain);
    }
}
