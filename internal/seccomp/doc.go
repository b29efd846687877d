// Package seccomp is the language in which a worker's system calls are written
// down, and the model that a compiled filter has to agree with.
//
// A profile is a file NAME.policy, one rule a line:
//
//	include @go-runtime                  # the rules of another file
//	pread64                              # admitted, whatever its arguments
//	msgsnd: arg0 in $send_queues && arg3 == IPC_NOWAIT
//	fcntl: arg1 == F_SETFL && arg2 & ~(O_ACCMODE|O_NONBLOCK) == 0
//	clone3: return ENOSYS                # refused with an errno
//	start { openat: return ENOENT }      # until the worker said HELLO
//	arch arm { mmap2; futex_time64 }     # for one architecture
//	optional { rseq }                    # where the architecture has it
//
// Several lines for one call add up. While the start lasts its block has the first
// word on what no line admits, also where a line refuses the call afterwards. What
// no line names is a notice to the
// parent, which ends the worker; a few calls kill it at once (see Never).
//
// Conditions are masked equalities on integer arguments, joined by && and ||:
// no ranges, which not every libseccomp compiles faithfully, and no pointers,
// which say nothing about what they point to. An argument that the kernel reads
// as 32 bits is compared in its low word only.
//
//	p, err := seccomp.Parse("sensor-read", policy.Files)
//	b, err := p.Bind(seccomp.Native(), seccomp.Vars{"send_queues": {7}, ...})
//	program, err := scmp.Compile(b)      // the one package with libseccomp
//	err = seccomp.Verify(b, program)     // the model against the program
//	b.Decide(seccomp.Running, nr, args)  // what the parent answers to a notice
//
// Verify runs the compiled program in a virtual machine on one point of every
// class that program or model can tell apart. It trusts neither libseccomp nor
// this package's own use of it; it does trust the model, whose words are in the
// profile, and the tables of call numbers and of argument widths.
//
// Limits: amd64, arm64 and arm (EABI), all little endian. The package compiles
// nothing and loads nothing.
package seccomp
