//! Keys, records and sealed files: what leaves an enclave.

pub(crate) mod channel;
pub(crate) mod message;
pub(crate) mod sealing;
pub(crate) mod secret;
