package sys

// msgIPC64 is IPC_64 of the kernel's ipc/util.h. Number 304 of
// arch/arm/tools/syscall.tbl is sys_old_msgctl, which answers in a layout with
// 16-bit user ids unless the command carries this flag.
const msgIPC64 = 0x100
