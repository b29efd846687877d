// Package testsum reads the event stream of `go test -json` and gives one
// summary: how many tests passed, failed and were skipped, the output of those
// that failed, and the reason of every skip.
//
// A skip is not a pass. The project's tests skip with a text that begins with
// "needs ", so the summary says what this machine lacks; a list of required
// tests (see Required) turns the skip of one that must run into a failure.
//
// What is counted: a test without subtests, or each subtest on the lowest
// level. A test with subtests counts itself only when it failed and none of
// them did. A package that fails without a failing test (it does not build, it
// panics, it runs out of time) counts as one failed test.
package testsum
