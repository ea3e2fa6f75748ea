use std::task::Waker;

use proptest::prelude::*;

use super::{answer, late};
use crate::queue::{Outcome, Piece, Queue};

/// A queue with so many calls, and their numbers.
fn with(calls: usize) -> (Queue, Vec<u64>) {
    let mut queue = Queue::default();
    let numbers = (0..calls).map(|_| queue.push(false)).collect();
    (queue, numbers)
}

fn receive(queue: &mut Queue, bytes: &str) {
    queue.incoming().extend_from_slice(bytes.as_bytes());
    queue.advance();
}

/// What came of a call, in a word.
fn word(queue: &mut Queue, number: u64) -> String {
    match queue.take(number) {
        None => "nothing yet".into(),
        Some(Outcome::Whole(_, body)) => String::from_utf8(body.to_vec()).unwrap(),
        Some(Outcome::Long(head)) => format!("{} bytes", head.length),
        Some(Outcome::Unbegun) => "unbegun".into(),
        Some(Outcome::Broken(_)) => "broken".into(),
    }
}

fn words(queue: &mut Queue, numbers: &[u64]) -> Vec<String> {
    let word = |&number| word(queue, number);
    numbers.iter().map(word).collect()
}

#[test]
fn whoever_is_not_answered_when_the_connection_ends_was_not_begun_but_for_the_first() {
    let (mut queue, calls) = with(4);
    receive(&mut queue, &answer("one", ""));
    receive(&mut queue, "HTTP/1.1 200 OK\r\nContent-Le");
    queue.end("it is gone");
    assert_eq!(
        words(&mut queue, &calls),
        ["one", "broken", "unbegun", "unbegun"]
    );
    assert!(queue.is_closing());
}

#[test]
fn nobody_behind_an_answer_that_closes_was_begun() {
    let (mut queue, calls) = with(3);
    receive(&mut queue, &answer("one", "Connection: close\r\n"));
    assert_eq!(words(&mut queue, &calls), ["one", "unbegun", "unbegun"]);
    assert!(queue.is_closing());
}

#[test]
fn a_call_whose_turn_came_too_late_was_not_begun() {
    let (mut queue, calls) = with(3);
    let both = format!("{}{}{}", answer("one", ""), late(), answer("three", ""));
    receive(&mut queue, &both);
    assert_eq!(words(&mut queue, &calls), ["one", "unbegun", "three"]);
    assert_eq!(queue.under_way(), 0);
    assert!(!queue.is_closing());
}

#[test]
fn who_leaves_takes_no_other_ones_answer() {
    let (mut queue, calls) = with(4);
    queue.leave(calls[2]);
    queue.leave(calls[0]);
    for body in ["one", "two", "three", "four"] {
        receive(&mut queue, &answer(body, ""));
    }
    assert_eq!(words(&mut queue, &[calls[1], calls[3]]), ["two", "four"]);
    assert_eq!(queue.under_way(), 0);
}

#[test]
fn a_long_answer_comes_in_pieces_and_is_the_last() {
    let (mut queue, calls) = with(2);
    let body = "x".repeat(3 << 20);
    let whole = answer(&body, "Connection: close\r\n");
    let (begin, rest) = whole.split_at(1 << 20);
    receive(&mut queue, begin);
    assert_eq!(words(&mut queue, &calls), ["3145728 bytes", "unbegun"]);
    assert!(queue.is_awaited(), "the rest of it");
    let mut seen = 0;
    let Some(Piece::Bytes(piece)) = queue.piece() else {
        panic!("nothing of the body");
    };
    seen += piece.len();
    assert_eq!(queue.piece(), None);
    receive(&mut queue, rest);
    while let Some(Piece::Bytes(piece)) = queue.piece() {
        seen += piece.len();
    }
    assert_eq!(seen, body.len());
    assert!(!queue.is_awaited());
}

#[test]
fn a_long_answer_that_breaks_off_says_so() {
    let (mut queue, calls) = with(1);
    let body = "x".repeat(3 << 20);
    receive(
        &mut queue,
        &answer(&body, "Connection: close\r\n")[..1 << 20],
    );
    assert_eq!(words(&mut queue, &calls), ["3145728 bytes"]);
    queue.end("it is gone");
    assert!(matches!(queue.piece(), Some(Piece::Bytes(_))));
    assert_eq!(queue.piece(), Some(Piece::Broken("it is gone".into())));
}

#[test]
fn answers_without_a_body_are_told_apart() {
    let mut queue = Queue::default();
    let head = queue.push(true);
    let calls = [head, queue.push(false), queue.push(false)];
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    receive(&mut queue, &format!("{head}{empty}{}", answer("three", "")));
    assert_eq!(words(&mut queue, &calls), ["", "", "three"]);
}

#[test]
fn what_is_no_answer_breaks_all_calls_since_the_pod_may_go_on() {
    let long = answer(&"x".repeat(2 << 20), "");
    let cases = [
        "HTTP/2 what?\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // Whoever reads it may take his time, and others wait behind.
        &long,
    ];
    for case in cases {
        let (mut queue, calls) = with(2);
        receive(&mut queue, case);
        let case = &case[..case.len().min(80)];
        assert_eq!(words(&mut queue, &calls), ["broken", "broken"], "{case}");
    }
    let (mut queue, calls) = with(1);
    receive(
        &mut queue,
        &format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(200 << 10)),
    );
    assert_eq!(
        words(&mut queue, &calls),
        ["broken"],
        "a head without an end"
    );
}

#[test]
fn an_answer_that_nobody_asked_for_ends_it() {
    let (mut queue, calls) = with(1);
    receive(
        &mut queue,
        &format!("{}{}", answer("one", ""), answer("two", "")),
    );
    assert_eq!(words(&mut queue, &calls), ["one"]);
    assert!(queue.is_closing());
}

#[test]
fn the_first_that_waits_moves_the_bytes() {
    let (mut queue, calls) = with(3);
    assert!(queue.is_mover(calls[0], Waker::noop()));
    assert!(!queue.is_mover(calls[1], Waker::noop()));
    queue.leave(calls[0]);
    assert!(queue.is_mover(calls[1], Waker::noop()));
    receive(
        &mut queue,
        &format!("{}{}", answer("one", ""), answer("two", "")),
    );
    assert!(queue.is_mover(calls[2], Waker::noop()));
    assert_eq!(word(&mut queue, calls[1]), "two");
}

proptest! {
    #[test]
    fn each_gets_its_own_answer_however_the_bytes_come(
        sizes in prop::collection::vec(0..5000_usize, 1..20),
        cuts in prop::collection::vec(1..3000_usize, 1..40),
        together in 1..8_usize,
    ) {
        let bodies: Vec<String> = sizes.iter().enumerate().map(|(n, size)| format!("{n}:{}", "x".repeat(*size))).collect();
        let mut stream: String = bodies.iter().map(|body| answer(body, "")).collect();
        let mut queue = Queue::default();
        let mut numbers = Vec::new();
        let mut found = Vec::new();
        let mut cuts = cuts.iter().cycle();
        let mut answered = 0;
        while answered < bodies.len() {
            while numbers.len() < bodies.len() && queue.under_way() < together {
                numbers.push(queue.push(false));
            }
            // The pod answers no more than it was asked.
            let asked: usize = bodies[..numbers.len()].iter().map(|body| answer(body, "").len()).sum();
            let sent: usize = bodies.iter().map(|body| answer(body, "").len()).sum::<usize>() - stream.len();
            let cut = (*cuts.next().unwrap()).min(asked - sent);
            let rest = stream.split_off(cut);
            receive(&mut queue, &stream);
            stream = rest;
            while answered < numbers.len() {
                let body = word(&mut queue, numbers[answered]);
                if body == "nothing yet" {
                    break;
                }
                found.push(body);
                answered += 1;
            }
        }
        prop_assert_eq!(found, bodies);
        prop_assert_eq!(queue.under_way(), 0);
    }

    #[test]
    fn no_bytes_make_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..400), calls in 0..4_usize) {
        let (mut queue, numbers) = with(calls);
        queue.incoming().extend_from_slice(&bytes);
        queue.advance();
        queue.end("over");
        for number in numbers {
            prop_assert!(queue.take(number).is_some());
        }
    }
}
