// Package explain has the long text for every error code, built in, so that it
// is at hand offline and on the machine where the error is.
//
// The pages are one file, codes.md: a heading with the code and a sentence, what
// it means, the usual causes, what to do, and the exit code of the command. It
// is documentation for people; programs go by the code itself.
package explain
