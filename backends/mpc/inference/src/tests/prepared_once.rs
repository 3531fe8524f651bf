//! What was prepared for a batch is not replaced: a second preparation is refused by every role, before anything is sent.

use super::*;

/// Prepares every batch twice.
struct Twice(Box<dyn Backend>);

impl Backend for Twice {
    fn profile(&self) -> Profile {
        self.0.profile()
    }

    fn settings(&self) -> &'static [Setting] {
        self.0.settings()
    }

    fn local_session_settings(&self) -> Settings {
        self.0.local_session_settings()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        self.0.plan(architecture, job)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ok(Box::new(PreparedTwice(self.0.join(role)?)))
    }
}

struct PreparedTwice(Box<dyn Party>);

impl Party for PreparedTwice {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.0.offline(images)?;
        let again = self.0.offline(images);
        let is_refused = matches!(&again, Err(Error::Protocol(reason)) if reason.contains("once more"));
        assert!(is_refused, "{again:?}");
        Ok(())
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        self.0.online(images)
    }
}

#[test]
fn a_second_preparation_is_refused_by_all_roles_and_the_first_serves() {
    let network = test_networks::all().remove(0);
    let batches = [3, 4].map(|seed| test_networks::images(&network, 2, seed));
    let streamed = streamed::streamed(fss(), Settings::new());
    let others: [Box<dyn Backend>; 2] = [Box::new(TwoParty), Box::new(streamed)];
    for backend in backends_of_either_width().into_iter().chain(others) {
        let twice = Twice(backend);
        let mut session = LocalSession::new(&twice, &network, 2);
        session.timeout = Duration::from_secs(60);
        let done = session.run(&batches).unwrap();
        for role in &done {
            assert!(role.error.is_none(), "{}: {:?}", twice.profile().name, role.error);
        }
        assert_eq!(done[0].logits.len(), batches.len());
    }
}
