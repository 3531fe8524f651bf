//! What the kernel keeps from an enclave's process, tried in a process of its own: this very test
//! program, started again.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use veilbench_tee::sandbox::continue_apart;
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
    // The filter says EPERM, Landlock EACCES: each must deny by itself.
    let by_filter =
        |error: Option<std::io::Error>| error.is_some_and(|error| error.raw_os_error() == Some(libc::EPERM));
    let elsewhere = rayon::broadcast(|_| by_filter(File::open("/etc/hostname").err()));
    let facts = [
        format!("report {}", protections.describe(key.memory())),
        format!("key {}", key.expose() == &[5; 32]),
        format!("threads {}", sum == threads * (threads - 1) / 2),
        format!("file {}", by_filter(File::open("/etc/hostname").err())),
        format!("file on other threads {}", elsewhere.into_iter().all(|denied| denied)),
        format!("listen {}", by_filter(TcpListener::bind("127.0.0.1:0").err())),
        format!("connect {}", by_filter(TcpStream::connect("127.0.0.1:1").err())),
        format!("program {}", by_filter(Command::new("/bin/true").spawn().err())),
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
    assert!(report.contains("no-dump=no"), "this process could be opened before it forbade it: {report}");
    assert_eq!(fact("key "), "key true");
    assert_eq!(fact("threads "), "threads true");
    if report.contains("seccomp=yes") {
        for denied in [
            "file true",
            "file on other threads true",
            "listen true",
            "connect true",
            "program true",
            "code true",
        ] {
            assert_eq!(fact(denied), denied);
        }
        assert_eq!(fact("Seccomp:").split_whitespace().last(), Some("2"));
        assert_eq!(fact("NoNewPrivs:").split_whitespace().last(), Some("1"));
    }
}

#[test]
fn a_report_says_what_was_not_granted() {
    let words = Protections::none().describe(KeyMemory::Locked);
    assert_eq!(words, "seccomp=no landlock=no no-dump=no keys=mlock");
}

#[test]
fn a_process_with_threads_does_not_go_on_without_them() {
    let other = std::thread::spawn(std::thread::park);
    let refused = continue_apart().unwrap_err().to_string();
    assert!(refused.contains("threads, and only one would go on"), "{refused}");
    other.thread().unpark();
    other.join().unwrap();
}
