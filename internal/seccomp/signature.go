package seccomp

import "strings"

// argKind says what an argument of a system call is: how wide the kernel reads
// it, whether a profile may look at it, and how Describe writes it.
type argKind string

const (
	kindFD       argKind = "fd"   // int, a descriptor
	kindDirFD    argKind = "dir"  // int, a descriptor or AT_FDCWD
	kindInt      argKind = "int"  // int
	kindUint     argKind = "uint" // unsigned int, written in hexadecimal
	kindPID      argKind = "pid"  // int
	kindSignal   argKind = "sig"  // int
	kindMode     argKind = "mode" // 32 bits, written in octal
	kindLong     argKind = "long" // one register, signed
	kindSize     argKind = "size" // one register
	kindFlagLong argKind = "word" // one register, written in hexadecimal
	kindPointer  argKind = "ptr"  // an address: no profile may look at it
	kindOffset   argKind = "off"  // loff_t: two registers on arm, so no profile may look at it
)

// argument is one parameter of a call. names is the prefix of the constants
// that its value is made of ("" for none); bits says that they are or-ed.
type argument struct {
	name  string
	kind  argKind
	names string
	bits  bool
}

// wide reports whether the kernel reads the whole register and not only its
// low 32 bits (SYSCALL_DEFINE casts each argument to its declared type).
func (k argKind) wide() bool {
	switch k {
	case kindLong, kindSize, kindFlagLong:
		return true
	}
	return false
}

// opaque arguments cannot be named in a rule.
func (k argKind) opaque() bool { return k == kindPointer || k == kindOffset }

// signature is the parameters of a call, or nil where the table has none: then
// a profile can admit the call as a whole but cannot look at its arguments.
func signature(call string) []argument { return signatures[call] }

// signatures comes from the SYSCALL_DEFINE lines of the kernel. An entry is
// name:kind, name:kind=PREFIX for one of the constants of that prefix, and
// name:kind|PREFIX for several or-ed.
var signatures = parseSignatures(`
read fd:fd buf:ptr count:size
write fd:fd buf:ptr count:size
close fd:fd
close_range first:uint last:uint flags:uint
open path:ptr flags:int|O_ mode:mode
openat dirfd:dir path:ptr flags:int|O_ mode:mode
openat2 dirfd:dir path:ptr how:ptr size:size
creat path:ptr mode:mode
lseek fd:fd offset:long whence:int
pread64 fd:fd buf:ptr count:size offset:off
pwrite64 fd:fd buf:ptr count:size offset:off
readv fd:fd iov:ptr count:size
writev fd:fd iov:ptr count:size
fsync fd:fd
fdatasync fd:fd
ftruncate fd:fd length:long
fstat fd:fd stat:ptr
fstat64 fd:fd stat:ptr
newfstatat dirfd:dir path:ptr stat:ptr flags:int|AT_
fstatat64 dirfd:dir path:ptr stat:ptr flags:int|AT_
statx dirfd:dir path:ptr flags:int|AT_ mask:uint stat:ptr
readlink path:ptr buf:ptr size:size
readlinkat dirfd:dir path:ptr buf:ptr size:size
access path:ptr mode:mode
faccessat dirfd:dir path:ptr mode:mode
faccessat2 dirfd:dir path:ptr mode:mode flags:int|AT_
getdents64 fd:fd buf:ptr count:uint
unlink path:ptr
unlinkat dirfd:dir path:ptr flags:int|AT_
mkdirat dirfd:dir path:ptr mode:mode
renameat2 olddir:dir old:ptr newdir:dir new:ptr flags:uint
fcntl fd:fd cmd:int=F_ arg:word
fcntl64 fd:fd cmd:int=F_ arg:word
ioctl fd:fd request:uint=@requests arg:word
dup fd:fd
dup2 fd:fd to:fd
dup3 fd:fd to:fd flags:int|O_
pipe2 fds:ptr flags:int|O_
poll fds:ptr count:uint timeout:int
ppoll fds:ptr count:uint timeout:ptr mask:ptr size:size
select n:int read:ptr write:ptr except:ptr timeout:ptr
pselect6 n:int read:ptr write:ptr except:ptr timeout:ptr mask:ptr
mmap addr:ptr length:size prot:long|PROT_ flags:long|MAP_ fd:fd offset:word
mmap2 addr:ptr length:size prot:long|PROT_ flags:long|MAP_ fd:fd offset:word
mprotect addr:ptr length:size prot:long|PROT_
pkey_mprotect addr:ptr length:size prot:long|PROT_ key:int
munmap addr:ptr length:size
mremap addr:ptr old:size new:size flags:word new_addr:ptr
madvise addr:ptr length:size advice:int=MADV_
mincore addr:ptr length:size vec:ptr
mlock addr:ptr length:size
brk addr:ptr
memfd_create name:ptr flags:uint|MFD_
futex addr:ptr op:int=FUTEX_ val:uint timeout:ptr addr2:ptr val3:uint
futex_time64 addr:ptr op:int=FUTEX_ val:uint timeout:ptr addr2:ptr val3:uint
nanosleep duration:ptr remaining:ptr
clock_nanosleep clock:int=CLOCK_ flags:int duration:ptr remaining:ptr
clock_gettime clock:int=CLOCK_ time:ptr
clock_gettime64 clock:int=CLOCK_ time:ptr
clock_settime clock:int=CLOCK_ time:ptr
epoll_create1 flags:int|EPOLL_
epoll_ctl epfd:fd op:int=EPOLL_CTL_ fd:fd event:ptr
epoll_pwait epfd:fd events:ptr max:int timeout:int mask:ptr size:size
epoll_pwait2 epfd:fd events:ptr max:int timeout:ptr mask:ptr size:size
eventfd2 value:uint flags:int|EFD_
timerfd_create clock:int=CLOCK_ flags:int|TFD_
rt_sigaction signal:sig action:ptr old:ptr size:size
rt_sigprocmask how:int set:ptr old:ptr size:size
rt_sigreturn
sigaltstack stack:ptr old:ptr
kill pid:pid signal:sig
tkill tid:pid signal:sig
tgkill tgid:pid tid:pid signal:sig
rt_sigqueueinfo pid:pid signal:sig info:ptr
pidfd_open pid:pid flags:uint
pidfd_getfd pidfd:fd fd:fd flags:uint
pidfd_send_signal pidfd:fd signal:sig info:ptr flags:uint
gettid
getpid
getppid
getuid
geteuid
getgid
getegid
setuid uid:int
setgid gid:int
setresuid real:int effective:int saved:int
setresgid real:int effective:int saved:int
setgroups count:int groups:ptr
setsid
clone flags:word|CLONE_ stack:ptr parent_tid:ptr arg3:ptr arg4:ptr
clone3 args:ptr size:size
fork
vfork
execve path:ptr argv:ptr envp:ptr
execveat dirfd:dir path:ptr argv:ptr envp:ptr flags:int|AT_
exit status:int
exit_group status:int
wait4 pid:pid status:ptr options:int usage:ptr
sched_yield
sched_getaffinity pid:pid size:uint mask:ptr
sched_setaffinity pid:pid size:uint mask:ptr
sched_setscheduler pid:pid policy:int param:ptr
setpriority which:int who:int priority:int
prlimit64 pid:pid resource:uint=RLIMIT_ new:ptr old:ptr
getrlimit resource:uint=RLIMIT_ limit:ptr
setrlimit resource:uint=RLIMIT_ limit:ptr
prctl option:int=PR_ arg1:word arg2:word arg3:word arg4:word
arch_prctl code:int arg:word
capset header:ptr set:ptr
seccomp operation:uint flags:uint args:ptr
getrandom buf:ptr size:size flags:uint|GRND_
uname buf:ptr
socket family:int=AF_ type:int|SOCK_ protocol:int
socketpair family:int=AF_ type:int|SOCK_ protocol:int fds:ptr
connect fd:fd addr:ptr len:int
bind fd:fd addr:ptr len:int
listen fd:fd backlog:int
accept4 fd:fd addr:ptr len:ptr flags:int|SOCK_
shutdown fd:fd how:int=SHUT_
sendto fd:fd buf:ptr size:size flags:uint|MSG_ addr:ptr len:int
recvfrom fd:fd buf:ptr size:size flags:uint|MSG_ addr:ptr len:ptr
sendmsg fd:fd msg:ptr flags:uint|MSG_
recvmsg fd:fd msg:ptr flags:uint|MSG_
getsockopt fd:fd level:int=SOL_ option:int value:ptr len:ptr
setsockopt fd:fd level:int=SOL_ option:int value:ptr len:int
getsockname fd:fd addr:ptr len:ptr
getpeername fd:fd addr:ptr len:ptr
msgget key:int flags:int|IPC_
msgsnd msqid:int msgp:ptr size:size flags:int|@msgflags
msgrcv msqid:int msgp:ptr size:size type:long flags:int|@msgflags
msgctl msqid:int cmd:int=IPC_ buf:ptr
semget key:int count:int flags:int|IPC_
shmget key:int size:size flags:int|IPC_
shmat shmid:int addr:ptr flags:int
set_robust_list head:ptr length:size
set_tid_address addr:ptr
rseq area:ptr length:uint flags:int signature:uint
chmod path:ptr mode:mode
fchmod fd:fd mode:mode
chown path:ptr uid:int gid:int
set_tls addr:ptr
cacheflush start:ptr end:ptr flags:int
`)

func parseSignatures(text string) map[string][]argument {
	out := make(map[string][]argument)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		args := make([]argument, 0, len(fields)-1)
		for _, f := range fields[1:] {
			name, kind, _ := strings.Cut(f, ":")
			arg := argument{name: name, kind: argKind(kind)}
			if i := strings.IndexAny(kind, "=|"); i >= 0 {
				arg.kind, arg.names, arg.bits = argKind(kind[:i]), kind[i+1:], kind[i] == '|'
			}
			args = append(args, arg)
		}
		out[fields[0]] = args
	}
	return out
}
