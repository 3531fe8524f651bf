//! Who is connected with whom.

use crate::Backend;

/// Every party is connected with every other, except that an attached one has one link only, to the
/// party it is attached to: shared memory that is not shaped, since both are on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Index of each attached party and of the party it is attached to.
    attached: Vec<(usize, usize)>,
}

impl Topology {
    /// What a backend asks for. Names that are no roles of it are left out.
    pub fn of(backend: &dyn Backend) -> Self {
        let roles = backend.profile().roles;
        let index = |name: &str| roles.iter().position(|role| role.name == name);
        let pairs = backend.attachments().iter();
        Self { attached: pairs.filter_map(|(guest, host)| Some((index(guest)?, index(host)?))).collect() }
    }

    /// Whether two parties have a link.
    pub fn connects(&self, one: usize, other: usize) -> bool {
        let only = |party| self.attached.iter().find(|(guest, _)| *guest == party).map(|(_, host)| *host);
        one != other
            && only(one).is_none_or(|host| host == other)
            && only(other).is_none_or(|host| host == one)
    }

    /// Whether their link is shared memory.
    pub fn is_local(&self, one: usize, other: usize) -> bool {
        self.attached.contains(&(one, other)) || self.attached.contains(&(other, one))
    }

    /// Whether a party has a local link to one after it, which will call.
    pub(super) fn called_locally(&self, party: usize) -> bool {
        self.attached
            .iter()
            .any(|&(guest, host)| (host == party && guest > party) || (guest == party && host > party))
    }
}
