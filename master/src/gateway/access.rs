use actix_web::HttpRequest;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Something its owner marked `access: open`.
    Open,
    /// Anything else.
    Closed,
}

/// Says who may call through a port.
pub trait Doorkeeper: Send + Sync {
    /// Whether the request may pass; otherwise what the caller should do.
    ///
    /// # Errors
    /// The words for the caller, who gets 401.
    fn admit(&self, request: &HttpRequest, access: Access) -> Result<(), String>;
}
