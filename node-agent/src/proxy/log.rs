use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::server::ProxyRoom;
use super::status::{Body, refuse};
use crate::chain::chain;
use crate::runtime::LogOptions;

/// A pod's log as text.
pub(super) async fn log(room: &ProxyRoom, uid: &str, query: &str) -> Response<Body> {
    let options = match read(query) {
        Ok(options) => options,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, "BadRequest", &problem),
    };
    let Some(directory) = room.pods.directory(uid) else {
        return refuse(
            StatusCode::NOT_FOUND,
            "NotFound",
            "this node has no such pod",
        );
    };
    match room.runtime.log(&directory, options).await {
        Ok(stream) => {
            let frames = stream
                .map_ok(Frame::data)
                .map(|frame| frame.map_err(Into::into));
            let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)));
            let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
            response
                .headers_mut()
                .insert(http::header::CONTENT_TYPE, text);
            response
        }
        Err(error) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            &chain(&error),
        ),
    }
}

fn read(query: &str) -> Result<LogOptions, String> {
    let mut options = LogOptions::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{key}: found {value:?}, want a whole number"))
        };
        match key {
            "follow" => options.follow = matches!(value, "" | "true" | "1"),
            "tailLines" => options.tail_lines = Some(number()?),
            "sinceSeconds" => options.since_seconds = Some(number()?),
            _ => {}
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_the_query() {
        let wanted = LogOptions {
            follow: true,
            tail_lines: Some(5),
            since_seconds: Some(60),
        };
        assert_eq!(
            read("follow=true&tailLines=5&sinceSeconds=60&x=1"),
            Ok(wanted)
        );
        assert_eq!(read(""), Ok(LogOptions::default()));
        assert!(read("tailLines=many").unwrap_err().contains("\"many\""));
    }
}
