// Package archtest holds the rules of the project's structure, and tests that
// the tree obeys them: who may import whom, what may be linked into the
// privileged supervisor, where unsafe may stand, how long a file may be.
//
// A rule is a function over a Module that returns one line for every breach of
// it. Files are read with all build constraints at once, so a rule also holds
// for code that this machine does not build; only the closures, which depend on
// the architecture, are asked of the go command.
//
// A rule that has never been seen to fail proves nothing, so each has at least
// one small broken module under testdata, which it must refuse.
package archtest
