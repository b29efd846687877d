// Package confinement has tests only: a worker that is taken over tries one thing
// after the other under every profile, started as the supervisor starts it, and
// what comes of each is compared with docs/confinement-outcomes.md. The worker is
// a C program of bare system calls, testdata/deed.c, which is the same under each.
//
// `make hostile` goes through all profiles; `make test` through two.
package confinement
