package launch

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/internal/launch/stage"
)

const (
	// fetchEvery is how often the listener is looked for after the stage has
	// said Ready: it loads the filter within microseconds and can say nothing
	// after it.
	fetchEvery = 200 * time.Microsecond
	// lookEvery is the deadline of a poll in quiet times.
	lookEvery = time.Minute
	// maxReport bounds in bytes what is kept of a stage's words.
	maxReport = 1024
)

// watch stays with the worker until it is reaped, and then is true; or until it
// is suspended. Nothing in it blocks but the poll, and the worker's death ends that.
func (p *Process) watch(bell int) (reaped bool) {
	for {
		if p.stands() {
			return false
		}
		set := []unix.PollFd{
			{Fd: int32(p.fd), Events: unix.POLLIN},
			{Fd: int32(p.report), Events: unix.POLLIN}, // a negative one is passed over
			{Fd: int32(p.listening()), Events: unix.POLLIN},
			{Fd: int32(bell), Events: unix.POLLIN},
		}
		wait := lookEvery
		if p.wantsListener() {
			wait = fetchEvery
		}
		limit := unix.NsecToTimespec(wait.Nanoseconds())
		if _, err := unix.Ppoll(set, &limit, nil); err != nil {
			if err != unix.EINTR {
				p.end(fmt.Errorf("poll of the worker: %w", err))
			}
			continue
		}
		if set[1].Revents != 0 {
			p.mu.Lock()
			p.readReport()
			p.mu.Unlock()
		}
		if p.wantsListener() {
			p.fetch()
		}
		switch events := set[2].Revents; {
		case events&unix.POLLIN != 0:
			p.receive()
		case events != 0: // no task is left under the filter
			p.closeListener()
		}
		if set[0].Revents != 0 && p.reap() {
			p.closeAll()
			return true
		}
	}
}

// end notes the first reason why the parent gives up on a worker, and kills it.
func (p *Process) end(why error) {
	if p.fault == nil {
		p.fault = why
	}
	_ = unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0) // ESRCH: it is dead
}

// readReport takes what the stage has said. The end of the pipe after an exec
// that was admitted is the moment in which the plugin's image takes over: the
// kernel closes the stage's end in the exec, before the image's first
// instruction. The caller holds mu.
func (p *Process) readReport() {
	var buf [maxReport]byte
	for p.report >= 0 {
		n, err := unix.Read(p.report, buf[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0:
			unix.Close(p.report)
			p.report = -1
			if p.notice != nil && p.exit.Breach == nil && len(p.stageSaid) == 0 {
				p.phase = max(p.phase, Starting)
				close(p.started)
			} else {
				_ = unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0)
			}
		default:
			words := buf[:n]
			if words[0] == stage.Ready {
				p.ready = true
				words = words[1:]
			}
			if room := maxReport - len(p.stageSaid); len(words) > room {
				words = words[:room]
			}
			p.stageSaid = append(p.stageSaid, words...)
		}
	}
}

func (p *Process) wantsListener() bool {
	return p.ready && !p.fetched && p.report >= 0 && p.fault == nil
}

// fetch takes the listener out of the stage. The stage has closed the number
// before it said Ready, so that what is there can only be the listener.
func (p *Process) fetch() {
	fd, err := unix.PidfdGetfd(p.fd, stage.ListenerFD, 0)
	switch err {
	case nil:
	case unix.EBADF, unix.ESRCH, unix.EINTR: // not there yet; or the stage died, which the pidfd tells
		return
	default:
		p.end(fmt.Errorf("listener of the filter: pidfd_getfd: %w", err))
		return
	}
	p.fetched, p.listener = true, fd
	const want = "anon_inode:seccomp notify"
	if link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err != nil || link != want {
		p.end(fmt.Errorf("listener of the filter: descriptor %d of the stage is %q, want %q (%v)", stage.ListenerFD, link, want, err))
		p.closeListener()
		return
	}
	if p.notifies {
		p.fetchNotify()
	}
}

// listening is the listener to poll. After a breach nothing is answered any
// more; the listener stays open until the worker is dead, because with it the
// calls that wait would fail instead.
func (p *Process) listening() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exit.Breach != nil {
		return -1
	}
	return p.listener
}

// reap takes the wait status. Nobody else waits for this pid, so it cannot be
// another's before.
func (p *Process) reap() bool {
	fault.Point("P14") // dead, and not reaped
	var status unix.WaitStatus
	pid, err := unix.Wait4(p.pid, &status, unix.WNOHANG, nil)
	if err == unix.EINTR || (err == nil && pid == 0) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readReport() // what it said last
	p.exit.Status = status
	return true
}

func (p *Process) closeListener() {
	if p.listener >= 0 {
		unix.Close(p.listener)
		p.listener = -1
	}
}

func (p *Process) closeAll() {
	p.closeListener()
	if p.report >= 0 {
		unix.Close(p.report)
	}
	if f := p.Notify(); f != nil {
		_ = f.Close()
	}
	_ = p.pidfd.Close()
}
