//! Whether another process of the same user can read an enclave's memory, however early it opens it.
//!
//! This program is started again as the enclave, which must have one thread, and as the spy; both under a user without
//! privileges, if the test has any.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use veilbench_tee::sandbox::continue_apart;
use veilbench_tee::{KeyMemory, Measurement, Protections, SecretKey, ShownProcess};

const ROLE: &str = "VEILBENCH_TEE_PRIVATE";
/// What stands for an image.
const IMAGE: [u8; 32] = *b"an image that nobody should read";
const KEY: [u8; 32] = *b"a key which nobody may ever see.";
const NOBODY: u32 = 65_534;

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("enclave") => enclave(true),
        Ok("late enclave") => enclave(false),
        Ok("spy") => spy(),
        Ok("launcher") => launcher(),
        Ok("launched") => launched(),
        _ => {
            no_descriptor_reads_the_memory_of_an_enclave_that_went_apart();
            println!("the process left behind ends as the enclave does");
            the_process_left_behind_ends_as_the_enclave_does();
            println!("a process that nobody may look into shows itself to its launcher");
            a_process_that_nobody_may_look_into_shows_itself_to_its_launcher();
            println!("test result: ok. 3 passed; 0 failed");
        }
    }
}

/// Starts slowly, as a spy would like it, protects itself, and then holds an image and a key until its input ends.
fn enclave(apart: bool) {
    std::thread::sleep(Duration::from_millis(200));
    if apart {
        continue_apart().unwrap();
    }
    std::thread::sleep(Duration::from_millis(50));
    let protections = Protections::enforce();
    let key = SecretKey::new(KEY.map(|byte| byte ^ 1)).unwrap();
    let image: Vec<u8> = IMAGE.iter().map(|byte| byte ^ 1).collect();
    let places = [image.as_ptr().addr(), key.expose().as_ptr().addr()];
    println!("{} {} {}", places[0], places[1], protections.describe(key.memory()));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert_eq!(std::hint::black_box(&image).len(), 32);
    std::process::exit(if line.is_empty() { 0 } else { 7 });
}

/// Opens the memory of all descendants of its parent again and again until it is told places, and reads there.
fn spy() {
    let (told, lines) = channel();
    std::thread::spawn(move || std::io::stdin().lines().for_each(|line| told.send(line.unwrap()).unwrap()));
    let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get() as u32;
    let (own, mut opened, mut refused) = (std::process::id(), Vec::new(), BTreeMap::new());
    println!("looking");
    let places = loop {
        for process in descendants(parent) {
            if process == own || opened.len() > 500 {
                continue;
            }
            match File::open(format!("/proc/{process}/mem")) {
                Ok(memory) => opened.push((process, memory)),
                Err(error) => *refused.entry((process, error.kind().to_string())).or_insert(0usize) += 1,
            }
        }
        match lines.try_recv() {
            Ok(line) => break line,
            Err(TryRecvError::Empty) => std::thread::sleep(Duration::from_millis(1)),
            Err(TryRecvError::Disconnected) => return,
        }
    };
    let reads = |at: u64| {
        let read = |(_, memory): &&(u32, File)| {
            let mut bytes = [0; 32];
            memory.read_exact_at(&mut bytes, at).is_ok()
                && [IMAGE, KEY].iter().any(|secret| bytes == secret.map(|byte| byte ^ 1))
        };
        opened.iter().filter(read).count()
    };
    let seen: Vec<usize> = places.split(' ').map(|at| reads(at.parse().unwrap())).collect();
    println!("{} {} {} {}", opened.len(), seen[0], seen[1], refused.values().sum::<usize>());
}

/// Goes apart and sends what it shows of itself over the socket that is its standard input.
fn launched() {
    continue_apart().unwrap();
    let socket = std::io::stdin();
    let shown = ShownProcess::open(None).unwrap();
    let descriptors = shown.descriptors();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&descriptors));
    let process = std::process::id().to_le_bytes();
    sendmsg(&socket, &[IoSlice::new(&process)], &mut rights, SendFlags::empty()).unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Starts an enclave and measures it by what it shows.
fn launcher() {
    let (near, far) = UnixStream::pair().unwrap();
    let me = std::env::current_exe().unwrap();
    let mut child = Command::new(me)
        .env(ROLE, "launched")
        .stdin(OwnedFd::from(far))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut process, mut space) = ([0; 4], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))]);
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&near, &mut [IoSliceMut::new(&mut process)], &mut rights, RecvFlags::empty()).unwrap();
    let rights = rights.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights.collect::<Vec<OwnedFd>>()),
        _ => None,
    });
    let shown = ShownProcess::from_descriptors(rights.unwrap().try_into().unwrap());
    let (process, one) = (u32::from_le_bytes(process), NonZero::<usize>::MIN);
    let own = Measurement::of_process(std::process::id(), &ShownProcess::open(None).unwrap(), one).unwrap();
    let measured = Measurement::of_process(process, &shown, one).unwrap();
    println!("{} {}", measured == own, ShownProcess::open(Some(process)).is_err());
    drop(near);
    assert!(child.wait().unwrap().success());
}

/// Children of a process, their children and so on.
fn descendants(process: u32) -> Vec<u32> {
    let children = |process: u32| {
        let listed =
            fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
        listed.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
    };
    let (mut found, mut at) = (children(process), 0);
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

/// A role of this program, run by a user without privileges.
struct Role {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Role {
    fn start(program: &Path, name: &str) -> Self {
        let mut command = Command::new(program);
        command.env(ROLE, name).stdin(Stdio::piped()).stdout(Stdio::piped());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

/// A copy of this program that every user may execute.
fn program(folder: &Path) -> std::path::PathBuf {
    let program = folder.join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    program
}

/// What a spy read of an enclave: descriptors it had, those that showed the image, those that showed the key; and what
/// the enclave says of its protections.
fn spied(program: &Path, enclave: &str) -> ([usize; 3], String) {
    let mut spy = Role::start(program, "spy");
    assert_eq!(spy.line(), "looking");
    let mut enclave = Role::start(program, enclave);
    let said = enclave.line();
    let mut words = said.splitn(3, ' ');
    let [image, key] = [(); 2].map(|()| words.next().unwrap().to_owned());
    let report = words.next().unwrap().to_owned();
    // Long enough for the spy to try the process that was found last.
    std::thread::sleep(Duration::from_millis(100));
    writeln!(spy.input, "{image} {key}").unwrap();
    let counts: Vec<usize> = spy.line().split(' ').map(|count| count.parse().unwrap()).collect();
    println!(
        "{report}: {} descriptors, {} show the image, {} the key; {} refused",
        counts[0], counts[1], counts[2], counts[3]
    );
    drop(enclave.input);
    assert!(enclave.child.wait().unwrap().success());
    assert!(spy.child.wait().unwrap().success());
    ([counts[0], counts[1], counts[2]], report)
}

fn no_descriptor_reads_the_memory_of_an_enclave_that_went_apart() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let ([opened, images, keys], report) = spied(&program, "enclave");
    assert!(report.contains("no-dump=yes"), "{report}");
    assert_eq!((images, keys), (0, 0), "of {opened} descriptors");
    let ([opened_late, images, keys], report) = spied(&program, "late enclave");
    assert!(report.contains("no-dump=no"), "turned off too late to count: {report}");
    // Where no process may look into another one, there is nothing to be compared with.
    if opened_late > 0 {
        assert!(opened > 0, "the spy saw the process that was left behind");
        assert!(images > 0, "the spy reads what is not protected, so that it would read the rest");
        let secret = report.contains(&format!("keys={}", KeyMemory::MemfdSecret));
        assert!(!secret || keys == 0, "a key in memfd_secret is out of reach of early descriptors too");
    }
}

fn the_process_left_behind_ends_as_the_enclave_does() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let enclave = |end: &dyn Fn(&mut Role, u32)| {
        let mut role = Role::start(&program, "enclave");
        role.line();
        let apart = descendants(role.child.id());
        assert_eq!(apart.len(), 1, "the enclave is the child of the process that was started");
        end(&mut role, apart[0]);
        let status = role.child.wait().unwrap();
        let start = Instant::now();
        while Path::new(&format!("/proc/{}", apart[0])).exists() {
            assert!(start.elapsed() < Duration::from_secs(2), "the enclave outlived its parent");
            std::thread::sleep(Duration::from_millis(5));
        }
        status
    };
    let kill = |process: u32| {
        let process = rustix::process::Pid::from_raw(process as i32).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    };
    let status = enclave(&|role, _| writeln!(role.input, "leave").unwrap());
    assert_eq!(status.code(), Some(7));
    let status = enclave(&|_, apart| kill(apart));
    assert_eq!(status.signal(), Some(9));
    let status = enclave(&|role, _| kill(role.child.id()));
    assert_eq!(status.signal(), Some(9));
}

fn a_process_that_nobody_may_look_into_shows_itself_to_its_launcher() {
    let folder = tempfile::tempdir().unwrap();
    let mut launcher = Role::start(&program(folder.path()), "launcher");
    let said = launcher.line();
    assert!(launcher.child.wait().unwrap().success());
    assert_eq!(
        said, "true true",
        "measures as its launcher; is closed to whoever it does not show itself to"
    );
}
