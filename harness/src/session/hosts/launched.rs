//! What a party does that was launched on another host: tells where it is, listens there, and ends with its harness.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};
use veilbench_results::Machine;

use crate::record::provenance;
use crate::session::memory::oom_kills;
use crate::session::process::{ENVIRONMENT, EXECUTABLE};

/// Where a party runs, as the harness tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Address to listen at; that of the default route if it is empty.
    pub(crate) listen: Option<IpAddr>,
    /// Folder that keeps files.
    pub(crate) folder: Option<PathBuf>,
    /// Roles of the session on this host.
    pub(crate) parties: usize,
}

/// What a program on a host says of itself and of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostReport {
    pub(crate) executable_sha256: String,
    pub(crate) machine: Machine,
    /// Processes its kernel has ended for want of memory since it started.
    pub(crate) oom_kills: u64,
}

impl HostReport {
    /// Looks at this host.
    ///
    /// # Errors
    /// If the executable cannot be read.
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Self {
            executable_sha256: provenance::executable_sha256()?,
            machine: provenance::machine(),
            oom_kills: oom_kills(),
        })
    }
}

/// Starts this program anew as a party, with a party's environment instead of the launcher's. Returns only if it cannot.
pub(crate) fn begin_anew() -> io::Error {
    let mut command = std::process::Command::new(EXECUTABLE);
    command.arg0("veilbench").arg("party").env_clear().envs(ENVIRONMENT).exec()
}

/// The address at which peers reach a party.
///
/// # Errors
/// If none was given and this host has no default route.
pub(crate) fn address(place: &Place) -> io::Result<IpAddr> {
    if let Some(address) = place.listen {
        return Ok(address);
    }
    // Nothing is sent: the kernel says from which address it would call one that is nobody's (RFC 5737, RFC 3849).
    let from = |own: IpAddr, other: IpAddr| {
        let socket = UdpSocket::bind((own, 0))?;
        socket.connect((other, 9))?;
        socket.local_addr().map(|address| address.ip())
    };
    from(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
        .or_else(|_| {
            from(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
        })
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("this host has no default route ({error}): give its address with --listen"),
            )
        })
}

/// Ends this process as soon as nobody holds the other end of its standard input, even while it computes.
pub(crate) fn end_with_harness() {
    std::thread::spawn(|| {
        let stdin = io::stdin();
        loop {
            let mut ends = [PollFd::new(&stdin, PollFlags::RDHUP)];
            match poll(&mut ends, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => std::process::exit(i32::from(crate::EXIT_ERROR)),
            }
        }
    });
}
