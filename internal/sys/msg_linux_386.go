package sys

// msgIPC64 is 0: the direct call number (402, since Linux 5.1) has one layout
// only, unlike the older multiplexer ipc(2).
const msgIPC64 = 0
