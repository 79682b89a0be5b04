package redistest

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

// A process is one run of redis-server.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

// launch starts a process whose output goes to log. The process ends when the test program ends,
// on Linux even if the test program is killed.
func launch(binary string, args []string, log io.Writer) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = endsWithUs()
	started := make(chan error)
	go func() {
		// Linux ends the child with the thread that started it (golang.org/issue/27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		// The process may outlast the test that starts it. So its goroutines do not have the
		// labels by which package conformance finds those of a backend.
		pprof.SetGoroutineLabels(context.Background())
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// state returns how the process has ended.
func (p *process) state() *os.ProcessState { return p.cmd.ProcessState }

// stop asks the process to end, and kills it if that takes longer than limit.
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
		return fmt.Errorf("still running %v after it was asked to end", limit)
	}
}

// kill reports whether the process was running.
func (p *process) kill() bool {
	err := p.cmd.Process.Kill()
	<-p.ended
	return err == nil && wasKilled(p.state())
}

// pause returns when the whole process stands still.
func (p *process) pause() error {
	if err := p.cmd.Process.Signal(pauseSignal); err != nil {
		return err
	}
	return awaitPause(p.cmd.Process.Pid)
}

func (p *process) resume() error { return p.cmd.Process.Signal(resumeSignal) }

// An output keeps everything that is written to it.
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
