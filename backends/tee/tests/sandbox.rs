//! What the kernel keeps from an enclave's process, tried in a process of its own: this very test
//! program, started again.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use veilbench_tee::{KeyMemory, Protections, SecretKey};

const CHILD: &str = "VEILBENCH_TEE_SANDBOXED";

/// Whether a page of executable memory can be had.
#[expect(unsafe_code, reason = "mmap takes and gives addresses")]
fn maps_code() -> bool {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let access = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: a fresh mapping at an address the kernel chooses, which nothing uses.
    unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, access, MapFlags::PRIVATE) }.is_ok()
}

/// Does nothing unless started by the test below.
#[test]
fn inside() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut status = File::open("/proc/self/status").unwrap();
    let threads = rayon::current_num_threads();
    let protections = Protections::enforce();
    let key = SecretKey::new([5; 32]).unwrap();
    let sum: usize = rayon::broadcast(|context| context.index()).into_iter().sum();
    let mut told = String::new();
    status.read_to_string(&mut told).unwrap();
    let word = |name: &str| told.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let elsewhere = rayon::broadcast(|_| File::open("/etc/hostname").is_err());
    let facts = [
        format!("report {}", protections.describe(key.memory())),
        format!("key {}", key.expose() == &[5; 32]),
        format!("threads {}", sum == threads * (threads - 1) / 2),
        format!("file {}", File::open("/etc/hostname").is_err()),
        format!("file on other threads {}", elsewhere.into_iter().all(|denied| denied)),
        format!("listen {}", TcpListener::bind("127.0.0.1:0").is_err()),
        format!("connect {}", TcpStream::connect("127.0.0.1:1").unwrap_err().kind()),
        format!("program {}", Command::new("/bin/true").spawn().is_err()),
        format!("code {}", !maps_code()),
        word("Seccomp:"),
        word("NoNewPrivs:"),
    ];
    std::io::stdout().write_all(format!("\n{}\n", facts.join("\n")).as_bytes()).unwrap();
}

#[test]
fn an_enclave_has_no_files_no_network_and_no_programs() {
    let me = std::env::current_exe().unwrap();
    let arguments = ["inside", "--exact", "--nocapture", "--test-threads=1"];
    let output =
        Command::new(me).args(arguments).env(CHILD, "1").env("RAYON_NUM_THREADS", "2").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let fact = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name:?} in {said}")).to_owned()
    };
    let report = fact("report ");
    assert!(report.contains("no-dump=yes"), "{report}");
    assert_eq!(fact("key "), "key true");
    assert_eq!(fact("threads "), "threads true");
    if report.contains("seccomp=yes") {
        for denied in ["file true", "file on other threads true", "listen true", "program true", "code true"]
        {
            assert_eq!(fact(denied), denied);
        }
        assert_eq!(fact("connect "), "connect permission denied");
        assert_eq!(fact("Seccomp:").split_whitespace().last(), Some("2"));
        assert_eq!(fact("NoNewPrivs:").split_whitespace().last(), Some("1"));
    }
}

#[test]
fn a_report_says_what_was_not_granted() {
    let words = Protections::none().describe(KeyMemory::Locked);
    assert_eq!(words, "seccomp=no landlock=no no-dump=no keys=mlock");
}
