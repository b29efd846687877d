// Package workertest is a supervisor for tests of workers: it speaks the real
// hand-over over a real socket pair and makes real System V lanes, but opens no
// device, confines nothing and decides nothing by itself. The worker runs in
// the test's process (In) or in one of its own (Exec).
//
// Lanes are for tests that begin with testenv.PrivateIPC. Only tests import
// this package.
package workertest
