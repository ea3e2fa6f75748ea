mod queue;
mod shell;
mod simulation;

use common::pod_protocol as pod;

/// An answer as func-base writes it; `headers` are whole lines.
fn answer(body: &str, headers: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// What a pod says when a call's turn comes too late.
fn late() -> String {
    let outcome = format!("{}: {}\r\n", pod::OUTCOME, pod::OUTCOME_LATE);
    answer("{}", &outcome).replace("200 OK", "503 Service Unavailable")
}
