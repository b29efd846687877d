// Package killsup runs the real supervisor with workers under load, ends it and
// them with SIGKILL, and asks the kernel after each time whether a good state
// was reached. tests/kill does the same to a single hand-over.
//
// A lane is a process that is the first of a pid, mount, network and IPC
// namespace, so that everything in sight there is the supervisor's doing, and
// nothing of it is left when the lane ends. It plays lives, one after the other
// in the same directory. A life is one process of the supervisor: it is started,
// its workers are killed several times, and then it is killed itself, from
// outside at a random moment or at a failpoint. Some die while they start. The
// next life begins in what the last one left.
//
// After the death of a worker the lane waits until the kernel shows every worker
// ready (a process of each program; every queue open to its sender), and looks at
//
//   - the processes: the supervisor and one of each worker, confined, its children;
//   - the queues of their namespace: the same as before the kill, the supervisor's;
//   - the tables of descriptors: the supervisor's is what it was before the first
//     kill of all, a worker's is what the configuration says; shared ones are the
//     supervisor's own open file, moved ones are nowhere else (kcmp); no socket
//     holds descriptors unread (scm_fds);
//   - mounts, and sockets of the network namespace: none more than before;
//   - the day file: whole lines.
//
// After the death of the supervisor there must be no process, queue, mount or
// socket at all within two seconds; the day file then loses part of its last
// line on purpose, and the next life must have repaired that.
//
// Needs root and a supervisor and workers that were built with the tag fault.
package killsup
