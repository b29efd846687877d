package seccomp

const selfPID = "self_pid"

// PIDTemplate stands for $self_pid where Bind was given none.
const PIDTemplate = 0x7a11c0de
