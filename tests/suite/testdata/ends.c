/* One program for each way to end; which one, a -D says. */
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

int main(void)
{
#if defined(ENDS_seven)
	return 7;
#elif defined(ENDS_abort)
	abort();
#elif defined(ENDS_socket)
	return socket(AF_INET, SOCK_STREAM, 0) < 0;
#elif defined(ENDS_ptrace)
	return ptrace(PTRACE_TRACEME, 0, 0, 0) < 0;
#endif
	return 0;
}
