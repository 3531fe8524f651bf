//! The system calls an enclave needs once it runs; every other one fails with `EPERM`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};

/// Allowed with any arguments.
const ALLOWED: &[i64] = &[
    // What is open already.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_shutdown,
    libc::SYS_close,
    // Memory; mapping is below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_memfd_secret,
    libc::SYS_ftruncate,
    libc::SYS_mlock,
    libc::SYS_munlock,
    // Threads that run already, and time.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    // Signals to itself, and the end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Allowed unless they ask for executable memory: their third argument is the protection.
const ALLOWED_WITHOUT_EXECUTION: &[i64] = &[libc::SYS_mmap, libc::SYS_mprotect];

/// Whether the filter is in force on all threads of the process.
pub(super) fn enforce() -> bool {
    program().is_some_and(|program| apply_filter_all_threads(&program).is_ok())
}

fn program() -> Option<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    for &call in ALLOWED_WITHOUT_EXECUTION {
        let operator = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        let not_executable = SeccompCondition::new(2, SeccompCmpArgLen::Dword, operator, 0).ok()?;
        rules.insert(call, vec![SeccompRule::new(vec![not_executable]).ok()?]);
    }
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = std::env::consts::ARCH.try_into().ok()?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture).ok()?.try_into().ok()
}
