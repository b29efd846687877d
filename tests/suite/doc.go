// Package suite has tests only: a folder of programs that somebody built runs
// under a profile, and how each ends is compared with a table.
//
//	make suite SUITE=path [PROFILE=c-basic] [TABLE=file] [UPDATE=1]
//
// The table (SUITE/expected.txt unless TABLE names another) has a line for each
// program, its name and its outcome: `exit 0`, `signal SIGABRT`, `breach openat`
// for a call that the profile does not admit, `kill` for one that the filter kills
// for. A program that is not in the table, and a line without a program, are
// failures. UPDATE=1 writes the table instead.
//
// Without SUITE it runs a few programs in C of its own, which shows that each
// outcome is told from the others.
package suite
