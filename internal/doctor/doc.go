// Package doctor tries what a supervisor and its workers need of this machine, and
// says of each in a line how it is, what follows from it, and what to type to mend
// it. It believes no version number where it can try.
//
// Nothing stays of a look: no namespace, no queue, no cgroup, no process. A line is
// fail where nothing runs without, warn where something is missing that a
// configuration can do without, and ok otherwise.
package doctor
