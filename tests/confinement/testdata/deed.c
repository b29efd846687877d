/* A worker that is taken over: it waits for a byte on descriptor 3, makes the
 * system calls of its arguments one after the other, and tells what the last one
 * returned. It is of its own calls alone, so that it starts under every profile.
 *
 * deed NR ARG... [-- NR ARG...]...
 *
 * An ARG is a number, or buf (4096 zero bytes), path ("/x"), proc
 * ("/proc/self/fd/0"), up ("../x"), empty (""), pid, parent, last (what the call
 * before returned), handler (a struct sigaction that ignores what it gets), code
 * (a page of this program). NR may begin with int80: for the gate of 32-bit
 * programs. */
typedef long word;

static char buf[4096] __attribute__((aligned(4096)));
static char code[4096] __attribute__((aligned(4096)));

static word call(word n, word a, word b, word c, word d, word e, word f)
{
#if defined(__x86_64__)
	word r;
	register word r10 __asm__("r10") = d;
	register word r8 __asm__("r8") = e;
	register word r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
#elif defined(__aarch64__)
	register word x8 __asm__("x8") = n;
	register word x0 __asm__("x0") = a;
	register word x1 __asm__("x1") = b;
	register word x2 __asm__("x2") = c;
	register word x3 __asm__("x3") = d;
	register word x4 __asm__("x4") = e;
	register word x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#endif
}

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, GETPID = 39, EXIT = 231 };
static word gate(word n, word a)
{
	word r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a) : "memory");
	return r;
}
void back(void);
__asm__("back: mov $15, %eax\n\tsyscall"); /* rt_sigreturn */
static word handler[4] = {1 /* SIG_IGN */, 0x04000000 /* SA_RESTORER */, (word)back, 0};
#else
enum { READ = 63, WRITE = 64, GETPID = 172, EXIT = 94 };
static word handler[4] = {1, 0, 0, 0};
#endif

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static word number(const char *s)
{
	word sign = 1, base = 10, n = 0;
	if (*s == '-')
		sign = -1, s++;
	if (s[0] == '0' && s[1] == 'x')
		base = 16, s += 2;
	for (; *s; s++)
		n = n * base + (*s <= '9' ? *s - '0' : *s - 'a' + 10);
	return sign * n;
}

static word argument(const char *s, word parent, word last)
{
	if (same(s, "buf"))
		return (word)buf;
	if (same(s, "code"))
		return (word)code;
	if (same(s, "path"))
		return (word) "/x";
	if (same(s, "proc"))
		return (word) "/proc/self/fd/0";
	if (same(s, "up"))
		return (word) "../x";
	if (same(s, "empty"))
		return (word) "";
	if (same(s, "pid"))
		return call(GETPID, 0, 0, 0, 0, 0, 0);
	if (same(s, "handler"))
		return (word)handler;
	if (same(s, "parent"))
		return parent;
	if (same(s, "last"))
		return last;
	return number(s);
}

static void tell(word r)
{
	char text[24];
	int at = sizeof text, negative = r < 0;
	unsigned long n = negative ? -(unsigned long)r : (unsigned long)r;
	do
		text[--at] = '0' + n % 10;
	while (n /= 10);
	if (negative)
		text[--at] = '-';
	call(WRITE, 3, (word)(text + at), sizeof text - at, 0, 0, 0);
}

void begin(word *stack)
{
	int argc = stack[0];
	char **argv = (char **)(stack + 1);
	char parent[16] = {0};
	word last = 0;
	call(READ, 3, (word)parent, sizeof parent - 1, 0, 0, 0);
	for (int i = 1; i < argc;) {
		word a[7] = {0};
		const char *nr = argv[i];
		int n = 0, old = 0;
		if (nr[0] == 'i')
			old = 1, argv[i] += 6;
		for (; i < argc && !same(argv[i], "--"); i++)
			if (n < 7)
				a[n++] = argument(argv[i], number(parent), last);
		i++;
#if defined(__x86_64__)
		if (old) {
			last = gate(a[0], a[1]);
			continue;
		}
#endif
		(void)old;
		last = call(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	}
	tell(last);
	call(EXIT, 0, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#else
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl begin\n");
#endif
