use std::time::Duration;

use common::link::{Exit, PodReport, PodState};
use proptest::prelude::*;
use tokio::time::Instant;

use super::{Effect, Event, PodMachine, Told};

const OK: Exit = Exit {
    code: 0,
    oom: false,
};
const BEGIN: Event = Event::Begin { warm: false };
const GRACE: Duration = Duration::from_secs(5);

fn machine() -> PodMachine {
    let report = PodReport::new("u", "default", "p", PodState::Preparing);
    PodMachine::new(report, Duration::from_secs(60))
}

fn fetched() -> Event {
    Event::Fetched {
        took: Duration::from_millis(3),
    }
}

fn started() -> Event {
    Event::Started {
        runtime_id: "process://1".into(),
        warm: false,
        ready: None,
        at: "2026-01-01T00:00:00Z".into(),
    }
}

fn waited(ready: Option<Told>) -> Event {
    Event::Started {
        runtime_id: "process://1".into(),
        warm: true,
        ready,
        at: "2026-01-01T00:00:00Z".into(),
    }
}

fn failed(message: &str) -> Event {
    Event::FetchFailed {
        reason: "LayerFailed",
        message: message.into(),
    }
}

fn after(events: impl IntoIterator<Item = Event>) -> (PodMachine, Vec<Effect>) {
    let now = Instant::now();
    let mut machine = machine();
    let mut effects = Vec::new();
    for event in events {
        effects = machine.decide(event, now);
    }
    (machine, effects)
}

#[test]
fn a_pod_becomes_ready_with_its_costs_counted() {
    let answered = Event::Answered {
        took: Duration::from_millis(40),
    };
    let ready = Event::Ready { import_ms: 7.5 };
    let (machine, effects) = after([BEGIN, fetched(), started(), answered, ready]);
    assert_eq!(effects, [Effect::Report]);
    let report = machine.report();
    assert_eq!(report.state, PodState::Ready);
    let cold = report.cold.unwrap();
    assert_eq!(
        (cold.prepare_ms, cold.start_ms, cold.import_ms),
        (3.0, 40.0, 7.5)
    );
}

#[test]
fn of_a_pod_that_waited_the_master_hears_when_it_is_ready() {
    let now = Instant::now();
    let mut machine = machine();
    let effects = machine.decide(Event::Begin { warm: true }, now);
    assert_eq!(effects, [Effect::Note, Effect::Fetch]);
    assert_eq!(machine.decide(fetched(), now), [Effect::Start]);
    let told = Told {
        took: Duration::from_millis(2),
        import_ms: 0.5,
    };
    let effects = machine.decide(waited(Some(told)), now);
    assert_eq!(effects, [Effect::Report, Effect::Watch]);
    assert_eq!(machine.report().state, PodState::Ready);
    let cold = machine.report().cold.unwrap();
    assert_eq!((cold.start_ms, cold.import_ms), (2.0, 0.5));
}

#[test]
fn a_pod_that_waited_and_imports_slowly_is_asked_as_any_other() {
    let (machine, effects) = after([Event::Begin { warm: true }, fetched(), waited(None)]);
    assert!(effects.contains(&Effect::Probe) && effects.contains(&Effect::Report));
    assert_eq!(machine.report().state, PodState::Starting);
}

#[test]
fn failures_name_their_reason() {
    let reason = |events: Vec<Event>| {
        let (machine, _) = after(events);
        assert_eq!(machine.report().state, PodState::Failed);
        machine.report().reason.clone().unwrap()
    };
    let start_failed = Event::StartFailed {
        message: "x".into(),
    };
    let import_failed = Event::ImportFailed {
        message: "x".into(),
    };
    let oom = Event::Exited(Exit {
        code: 137,
        oom: true,
    });
    assert_eq!(reason(vec![BEGIN, failed("x")]), "LayerFailed");
    assert_eq!(reason(vec![BEGIN, fetched(), start_failed]), "StartFailed");
    assert_eq!(
        reason(vec![BEGIN, fetched(), started(), import_failed]),
        "ImportError"
    );
    assert_eq!(
        reason(vec![BEGIN, fetched(), started(), Event::Deadline]),
        "StartTimeout"
    );
    assert_eq!(reason(vec![BEGIN, fetched(), started(), oom]), "OOMKilled");
    assert_eq!(
        reason(vec![BEGIN, fetched(), started(), Event::Exited(OK)]),
        "Exited"
    );
}

#[test]
fn an_import_error_stays_the_reason_when_the_process_then_exits() {
    let import_failed = Event::ImportFailed {
        message: "no module x".into(),
    };
    let (machine, _) = after([
        BEGIN,
        fetched(),
        started(),
        import_failed,
        Event::Exited(OK),
    ]);
    assert_eq!(machine.report().reason.as_deref(), Some("ImportError"));
    assert_eq!(machine.report().exit, Some(OK));
}

#[test]
fn a_pod_that_cannot_be_removed_says_so_and_is_not_gone() {
    let remove = Event::Remove { grace: GRACE };
    let stuck = Event::RemoveFailed {
        message: "device is busy".into(),
    };
    let events = [BEGIN, remove, fetched(), stuck.clone()];
    let (mut machine, effects) = after(events);
    assert_eq!(effects, [Effect::Report]);
    let report = machine.report();
    assert_eq!(report.state, PodState::Stopping);
    assert_eq!(report.message.as_deref(), Some("device is busy"));
    let now = Instant::now();
    assert!(machine.decide(stuck, now).is_empty(), "told once");
    machine.decide(Event::Removed, now);
    assert_eq!(machine.report().state, PodState::Gone);
}

#[test]
fn a_pod_removed_while_it_is_fetched_never_starts() {
    let remove = Event::Remove { grace: GRACE };
    let (_, effects) = after([BEGIN, remove.clone()]);
    assert_eq!(effects, [Effect::Report]);
    let (_, effects) = after([BEGIN, remove, fetched()]);
    assert_eq!(effects, [Effect::Remove]);
}

#[test]
fn a_pod_removed_while_it_starts_is_ended_once_it_runs() {
    let remove = Event::Remove { grace: GRACE };
    let (_, effects) = after([BEGIN, fetched(), remove.clone(), started()]);
    assert_eq!(
        effects,
        [
            Effect::Watch,
            Effect::Stop {
                grace: Duration::ZERO
            }
        ]
    );
    let (_, effects) = after([BEGIN, fetched(), remove, started(), Event::Exited(OK)]);
    assert_eq!(effects, [Effect::Remove]);
}

#[test]
fn a_deadline_after_ready_means_nothing() {
    let ready = Event::Ready { import_ms: 1.0 };
    let (machine, effects) = after([BEGIN, fetched(), started(), ready, Event::Deadline]);
    assert!(effects.is_empty());
    assert_eq!(machine.report().state, PodState::Ready);
}

#[test]
fn an_adopted_pod_is_ready_only_when_it_says_so_again() {
    let mut report = machine().report().clone();
    report.state = PodState::Ready;
    let mut machine = PodMachine::new(report, Duration::from_secs(1));
    let effects = machine.decide(Event::Adopt, Instant::now());
    assert!(effects.contains(&Effect::Probe) && effects.contains(&Effect::Watch));
    assert_eq!(machine.report().state, PodState::Starting);
}

#[test]
fn an_adopted_pod_that_took_calls_may_be_busy_for_as_long_as_a_call_may_take() {
    let now = Instant::now();
    let patience = |state| {
        let mut report = machine().report().clone();
        report.state = state;
        let mut machine = PodMachine::new(report, Duration::from_secs(60));
        let effects = machine.decide(Event::Adopt, now);
        effects.into_iter().find_map(|effect| match effect {
            Effect::Deadline(at) => Some(at - now),
            _ => None,
        })
    };
    assert_eq!(patience(PodState::Starting), Some(Duration::from_secs(60)));
    assert_eq!(patience(PodState::Ready), Some(Duration::from_secs(900)));
}

#[test]
fn what_could_not_be_started_is_stopped_as_half_of_it_may_run() {
    let start_failed = || Event::StartFailed {
        message: "x".into(),
    };
    let stop = Effect::Stop {
        grace: Duration::ZERO,
    };
    let (_, effects) = after([BEGIN, fetched(), start_failed()]);
    assert!(effects.contains(&stop), "{effects:?}");
    // Its removal ends it anyway.
    let remove = Event::Remove { grace: GRACE };
    let (_, effects) = after([BEGIN, fetched(), remove, start_failed()]);
    assert_eq!(effects, [Effect::Remove]);
}

/// The world around a machine: answers its effects, in any order and with any outcome.
fn answers(effect: &Effect, choice: u8) -> Vec<Event> {
    let code = Exit {
        code: i32::from(choice),
        oom: choice.is_multiple_of(2),
    };
    match (effect, choice % 3) {
        (Effect::Fetch, 0) => vec![failed("x")],
        (Effect::Fetch, _) => vec![fetched()],
        (Effect::Start, 0) => vec![Event::StartFailed {
            message: "x".into(),
        }],
        (Effect::Start, 1) => vec![waited(Some(Told {
            took: GRACE,
            import_ms: 1.0,
        }))],
        (Effect::Start, _) => vec![started()],
        (Effect::Probe, 0) => vec![Event::ImportFailed {
            message: "x".into(),
        }],
        (Effect::Probe, 1) => vec![Event::Ready { import_ms: 1.0 }],
        (Effect::Probe, _) => vec![],
        (Effect::Deadline(_), _) => vec![Event::Deadline],
        (Effect::Stop { .. }, _) => vec![Event::Exited(code)],
        (Effect::Remove, _) => vec![Event::Removed],
        (Effect::Watch | Effect::Report | Effect::Note, _) => vec![],
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_removed_pod_is_gone_and_started_at_most_once(
        choices in prop::collection::vec((any::<u8>(), any::<u8>()), 1..60),
        remove_at in 0_usize..30,
    ) {
        let now = Instant::now();
        let mut machine = machine();
        let mut waiting = vec![BEGIN];
        let (mut starts, mut removals, mut removed) = (0, 0, false);
        let mut choices = choices.into_iter().cycle();
        for step in 0..2000 {
            if step == remove_at {
                removed = true;
                waiting.push(Event::Remove { grace: GRACE });
            }
            if waiting.is_empty() {
                if removed {
                    break;
                }
                continue;
            }
            let (pick, outcome) = choices.next().unwrap_or_default();
            let event = waiting.remove(usize::from(pick) % waiting.len());
            let was = machine.report().state;
            let effects = machine.decide(event, now);
            let is = machine.report().state;
            prop_assert!(was != PodState::Gone || is == PodState::Gone);
            prop_assert!(!(was == PodState::Stopping && is == PodState::Ready));
            prop_assert!(!(was == PodState::Failed && is == PodState::Ready));
            for effect in &effects {
                starts += usize::from(*effect == Effect::Start);
                removals += usize::from(*effect == Effect::Remove);
                waiting.extend(answers(effect, outcome));
            }
        }
        prop_assert!(starts <= 1);
        prop_assert_eq!(removals, 1);
        prop_assert_eq!(machine.report().state, PodState::Gone);
    }
}
