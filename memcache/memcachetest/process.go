package memcachetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is one run of memcached.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended and Wait has returned
}

// launch starts a process whose standard error is written to log. On Linux, the process ends
// even if this program is killed.
func launch(binary string, args []string, log io.Writer) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = killedWithParent()
	started := make(chan error)
	go func() {
		// Linux kills the child when the thread that started it ends, so this thread must
		// not end before the child. See golang.org/issue/27505.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		// The process may outlast the test that starts it, so its goroutines do not have the
		// labels by which package conformance finds those of a backend.
		pprof.SetGoroutineLabels(context.Background())
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// state returns how the process ended. It may be called only after that.
func (p *process) state() *os.ProcessState { return p.cmd.ProcessState }

// stop terminates the process, and kills it if that takes longer than limit. It returns an
// error if the process had to be killed, or had ended before.
func (p *process) stop(limit time.Duration) error {
	defer p.kill()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.resume(); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("the process still runs %v after SIGTERM", limit)
	}
}

// kill kills the process and waits for its end. It reports whether the process had not ended
// before.
func (p *process) kill() bool {
	err := p.cmd.Process.Kill()
	<-p.ended
	return err == nil && wasKilled(p.state())
}

// pause stops the process and returns when all its threads have stopped.
func (p *process) pause() error {
	if err := p.cmd.Process.Signal(pauseSignal); err != nil {
		return err
	}
	return awaitPause(p.pid())
}

func (p *process) resume() error { return p.cmd.Process.Signal(resumeSignal) }

// An output keeps the text that is written to it. It may be read and written concurrently.
type output struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
