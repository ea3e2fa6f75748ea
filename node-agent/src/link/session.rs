use std::collections::VecDeque;

use common::link::{Frame, MAX_UNACKED, ToAgent, ToMaster};

/// The session cannot go on; a new one starts with everything said anew.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The master does not acknowledge.
    #[error("{MAX_UNACKED} frames are not acknowledged")]
    Full,
    /// A frame was lost or came twice.
    #[error("frame {found} came, want {wanted}")]
    OutOfOrder {
        /// What came.
        found: u64,
        /// What should have come.
        wanted: u64,
    },
    /// What was acknowledged was never sent.
    #[error("frame {0} was acknowledged but not sent")]
    FalseAck(u64),
}

/// Counts and acknowledges the frames of one connection. Pure.
#[derive(Debug, Default)]
pub struct Session {
    sent: u64,
    received: u64,
    acked: u64,
    /// What the last acknowledgement we sent was.
    told: u64,
    /// Ends of builds, by the frame that told them.
    outcomes: VecDeque<(u64, String)>,
}

impl Session {
    /// The frame for a message.
    ///
    /// # Errors
    /// When too many are not acknowledged.
    pub fn send(&mut self, body: ToMaster) -> Result<Frame<ToMaster>, SessionError> {
        if self.sent - self.acked >= MAX_UNACKED {
            return Err(SessionError::Full);
        }
        self.sent += 1;
        self.told = self.received;
        if let ToMaster::Build(report) = &body
            && report.outcome.is_some()
        {
            self.outcomes.push_back((self.sent, report.id.clone()));
        }
        Ok(Frame::new(self.sent, self.received, body))
    }

    /// Takes in a frame's numbers; tells which builds' ends the master now knows.
    ///
    /// # Errors
    /// When the numbers cannot be.
    pub fn receive(&mut self, frame: &Frame<ToAgent>) -> Result<Vec<String>, SessionError> {
        if frame.ack > self.sent {
            return Err(SessionError::FalseAck(frame.ack));
        }
        if frame.body != ToAgent::Ack {
            let wanted = self.received + 1;
            if frame.seq != wanted {
                return Err(SessionError::OutOfOrder {
                    found: frame.seq,
                    wanted,
                });
            }
            self.received = wanted;
        }
        self.acked = self.acked.max(frame.ack);
        let mut known = Vec::new();
        while self
            .outcomes
            .front()
            .is_some_and(|(seq, _)| *seq <= self.acked)
        {
            known.extend(self.outcomes.pop_front().map(|(_, id)| id));
        }
        Ok(known)
    }

    /// The frame that only acknowledges, when there is something to.
    pub fn acknowledge(&mut self) -> Option<Frame<ToMaster>> {
        (self.told < self.received).then(|| {
            self.told = self.received;
            Frame::new(self.sent, self.received, ToMaster::Ack)
        })
    }
}

#[cfg(test)]
mod tests {
    use common::link::{BuildFailure, BuildOutcome, BuildReport};

    use super::*;

    fn remove() -> ToAgent {
        ToAgent::RemovePod {
            uid: "u".into(),
            grace_seconds: 0,
        }
    }

    fn ended(id: &str) -> ToMaster {
        let failure = BuildFailure {
            reason: "R".into(),
            message: "m".into(),
            transient: false,
        };
        let outcome = Some(BuildOutcome::Failed(failure));
        ToMaster::Build(Box::new(BuildReport {
            id: id.into(),
            log: vec![],
            outcome,
        }))
    }

    #[test]
    fn what_is_handled_is_acknowledged_once() {
        let mut session = Session::default();
        assert_eq!(session.acknowledge(), None);
        session.receive(&Frame::new(1, 0, remove())).unwrap();
        assert_eq!(session.acknowledge().unwrap().ack, 1);
        assert_eq!(session.acknowledge(), None);
        session.receive(&Frame::new(2, 0, remove())).unwrap();
        assert_eq!(
            session
                .send(ToMaster::Usage(Default::default()))
                .unwrap()
                .ack,
            2
        );
        assert_eq!(session.acknowledge(), None);
    }

    #[test]
    fn lost_frames_and_false_acknowledgements_end_the_session() {
        let mut session = Session::default();
        let error = session.receive(&Frame::new(2, 0, remove())).unwrap_err();
        assert_eq!(
            error,
            SessionError::OutOfOrder {
                found: 2,
                wanted: 1
            }
        );
        let error = session.receive(&Frame::new(1, 5, remove())).unwrap_err();
        assert_eq!(error, SessionError::FalseAck(5));
    }

    #[test]
    fn a_master_that_does_not_acknowledge_ends_the_session() {
        let mut session = Session::default();
        for _ in 0..MAX_UNACKED {
            session.send(ToMaster::Usage(Default::default())).unwrap();
        }
        assert_eq!(session.send(ToMaster::Ack).unwrap_err(), SessionError::Full);
        session.receive(&Frame::new(0, 10, ToAgent::Ack)).unwrap();
        assert!(session.send(ToMaster::Usage(Default::default())).is_ok());
    }

    #[test]
    fn the_end_of_a_build_counts_as_told_when_it_is_acknowledged() {
        let mut session = Session::default();
        session.send(ended("one")).unwrap();
        session.send(ended("two")).unwrap();
        assert_eq!(
            session.receive(&Frame::new(0, 1, ToAgent::Ack)).unwrap(),
            ["one"]
        );
        assert_eq!(
            session.receive(&Frame::new(0, 2, ToAgent::Ack)).unwrap(),
            ["two"]
        );
    }
}
