// Package results keeps what long test runs found in text files under
// docs/results/, so that runs of different days add up.
//
// A file is a row of blocks, one a run, in the order in which they were made; a
// block is a row of lines "key value", and ends with an empty line. Lines that
// begin with # are for people.
//
//	date 2026-11-21T22:40:05Z
//	command make kill-scmrights N=2000 SEED=7
//	machine 2 cores, amd64, Linux 6.18.44
//	seconds 5.1
//	seed 7
//	next 1041
//	points 2000
//	lost 0
//
// The first three every run has. What else there is belongs to the kind of test;
// keys with a count are added up by Total.
package results
