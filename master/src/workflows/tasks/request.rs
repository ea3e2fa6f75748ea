//! `http:invoke`: an HTTPS request to an endpoint that the settings allow.

use std::str::FromStr as _;
use std::time::Duration;

use asl::Invocation;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

use super::trial::Traced;
use super::{TaskResult, failed};

/// Longest request, as in Step Functions.
const LONGEST: Duration = Duration::from_secs(60);
/// Largest answer, in bytes.
const MOST_ANSWER: usize = 256 << 10;
/// Headers that the endpoint must not get from a definition.
const RESERVED: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

/// The endpoints that runs may call: URLs that begin with one of these.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    prefixes: Vec<Url>,
}

impl Allowed {
    /// Reads the setting.
    ///
    /// # Errors
    /// Names the text that is not an absolute `http` or `https` URL.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            Url::parse(text)
                .ok()
                .filter(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some())
                .ok_or_else(|| text.clone())
        };
        let prefixes = texts.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { prefixes })
    }

    /// Whether a URL stands under one of the endpoints: same scheme, host and port, and a path below.
    fn has(&self, url: &Url) -> bool {
        self.prefixes.iter().any(|prefix| {
            let below = url.path().strip_prefix(prefix.path().trim_end_matches('/'));
            prefix.origin() == url.origin()
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                && url.username().is_empty()
                && url.password().is_none()
        })
    }
}

/// Makes the request of a task.
pub(super) async fn send(allowed: &Allowed, invocation: &Invocation) -> TaskResult {
    let request = match build(allowed, &invocation.input) {
        Ok(request) => request,
        Err(cause) => return failed("States.Runtime", cause),
    };
    let limit = invocation
        .timeout
        .map_or(LONGEST, |limit| limit.min(LONGEST));
    match tokio::time::timeout(limit, exchange(request)).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => failed("States.Http.Socket", crate::explain(&error)),
        Err(_) => failed(
            "States.Http.Socket",
            format!("no answer within {} s", limit.as_secs()),
        ),
    }
}

/// The request that a task's input stands for, as it is sent; none if it may not be sent.
pub(super) fn trace(allowed: &Allowed, input: &Value) -> Option<Traced> {
    let request = build(allowed, input).ok()?;
    let mut headers: Map<String, Value> = Map::new();
    for name in request.headers().keys() {
        let all = request.headers().get_all(name).iter();
        let values: Vec<_> = all
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(name.as_str().to_owned(), values.join(",").into());
    }
    let body = request.body().and_then(reqwest::Body::as_bytes);
    Some(Traced {
        method: request.method().to_string(),
        url: request.url().to_string(),
        headers,
        body: body.map(|body| String::from_utf8_lossy(body).into_owned()),
    })
}

fn build(allowed: &Allowed, input: &Value) -> Result<reqwest::Request, String> {
    let endpoint = input["ApiEndpoint"].as_str().unwrap_or_default();
    let mut url =
        Url::parse(endpoint).map_err(|error| format!("ApiEndpoint {endpoint:?}: {error}"))?;
    if !allowed.has(&url) {
        return Err(format!(
            "ApiEndpoint {endpoint:?} is not among the endpoints that runs may call (setting runs.http-allow)"
        ));
    }
    if let Some(parameters) = input["QueryParameters"].as_object() {
        let mut pairs = url.query_pairs_mut();
        for (key, value) in parameters {
            for value in many(value) {
                pairs.append_pair(key, &value);
            }
        }
    }
    let method = input["Method"].as_str().unwrap_or("GET");
    let method = Method::from_str(method).map_err(|_| format!("Method {method:?} is none"))?;
    let mut request = reqwest::Request::new(method, url);
    let headers = request.headers_mut();
    for (key, value) in input["Headers"].as_object().into_iter().flatten() {
        let name = HeaderName::from_str(key).map_err(|_| format!("header name {key:?} is none"))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("header {key:?} may not be set"));
        }
        for value in many(value) {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| format!("the value of header {key:?} is none"))?;
            headers.append(name.clone(), value);
        }
    }
    let body = &input["RequestBody"];
    if !body.is_null() {
        let json = HeaderValue::from_static("application/json");
        headers.entry(reqwest::header::CONTENT_TYPE).or_insert(json);
        *request.body_mut() = Some(body.to_string().into());
    }
    Ok(request)
}

/// One value or several.
fn many(value: &Value) -> Vec<String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}

async fn exchange(request: reqwest::Request) -> Result<TaskResult, reqwest::Error> {
    // Redirects could lead to where the settings do not allow.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let mut response = client.execute(request).await?;
    let status = response.status();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > MOST_ANSWER {
            let cause = format!("the answer is larger than {MOST_ANSWER} bytes");
            return Ok(failed("States.DataLimitExceeded", cause));
        }
        body.extend_from_slice(&piece);
    }
    let text = String::from_utf8_lossy(&body);
    if !status.is_success() {
        let error = format!("States.Http.StatusCode.{}", status.as_u16());
        return Ok(failed(&error, text));
    }
    let shown: Value = serde_json::from_slice(&body).unwrap_or_else(|_| json!(text));
    let mut listed: Map<String, Value> = Map::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = listed.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    Ok(TaskResult::Succeeded(json!({
        "Headers": listed,
        "ResponseBody": shown,
        "StatusCode": status.as_u16(),
        "StatusText": status.canonical_reason().unwrap_or_default(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(allowed: &str, url: &str) -> bool {
        let allowed = Allowed::parse(&[allowed.to_owned()]).unwrap();
        build(&allowed, &json!({ "ApiEndpoint": url })).is_ok()
    }

    #[test]
    fn only_what_stands_under_an_allowed_endpoint_is_called() {
        assert!(may(
            "https://api.example/v1",
            "https://api.example/v1/items?a=b"
        ));
        assert!(may("https://api.example/", "https://api.example:443/x"));
        for url in [
            "https://api.example/v10",
            "https://api.example/v1/../admin",
            "http://api.example/v1",
            "https://api.example.evil/v1",
            "https://evil@api.example/v1",
            "https://api.example:8443/v1",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!may("https://api.example/v1", url), "{url}");
        }
        assert!(Allowed::parse(&["api.example".to_owned()]).is_err());
    }

    #[test]
    fn a_request_has_what_the_definition_says() {
        let allowed = Allowed::parse(&["https://api.example/".to_owned()]).unwrap();
        let input = json!({
            "ApiEndpoint": "https://api.example/x", "Method": "POST", "RequestBody": {"a": 1},
            "Headers": {"X-A": ["1", "2"]}, "QueryParameters": {"q": "b c"},
        });
        let request = build(&allowed, &input).unwrap();
        assert_eq!(request.url().as_str(), "https://api.example/x?q=b+c");
        assert_eq!(request.headers().get_all("x-a").iter().count(), 2);
        assert_eq!(request.headers()["content-type"], "application/json");
        let refused = json!({ "ApiEndpoint": "https://api.example/", "Headers": {"Host": "x"} });
        assert!(build(&allowed, &refused).is_err());
    }
}
