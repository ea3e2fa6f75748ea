//! What belongs to one connection and not to the request or answer that it carries.

/// RFC 9110, 7.6.1, and what is older than it.
const OF_CONNECTION: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header, by its name in lower case, goes from one connection to the next.
pub(crate) fn passes(name: &str) -> bool {
    !OF_CONNECTION.contains(&name)
}
