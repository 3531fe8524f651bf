//! What links run over: sockets, with TLS or without, and memory that two processes share.

pub(super) mod authority;
mod ring;
pub(super) mod stream;
pub(super) mod tls;
