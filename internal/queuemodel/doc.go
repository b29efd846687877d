// Package queuemodel is a System V message queue as a small state machine: what
// Linux does, written down so that a program can be run through it and compared
// with what a kernel answered.
//
// It is for tests. A Model holds every state that the queue can be in after the
// calls and answers so far. Most calls leave one; when several processes are
// woken at once the kernel does not say which of them takes the lock first, and
// the model keeps every order until an answer or an IPC_STAT tells them apart.
//
//	m := queuemodel.New(queuemodel.Linux, people, creator, mode, qbytes)
//	m.Call(queuemodel.Call{Op: queuemodel.Send, Actor: 1, Type: 3, Size: 8})
//	err := m.Observe(answers, stat)
//
// Time is not modelled, nor are limits of the namespace other than msgmax and
// msgmnb; a process that dies is not either. The order of checks is that of
// do_msgsnd, do_msgrcv and msgctl_down in the kernel's ipc/msg.c.
package queuemodel
