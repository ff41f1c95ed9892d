package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	ferretdb     = "/usr/local/bin/ferretdb"
	socket       = "/tmp/ferretdb.sock"
	startTimeout = 30 * time.Second
)

// engine is the FerretDB process below.
type engine struct {
	dbpath  string
	mutex   sync.Mutex
	process *exec.Cmd
}

// start runs FerretDB until it listens. With a name it makes that user, as it only can while it starts.
func (e *engine) start(ctx context.Context, user, password string) error {
	_ = os.Remove(socket)
	data := filepath.Join(e.dbpath, "sqlite")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	e.process = exec.Command(ferretdb,
		"--handler=sqlite", "--sqlite-url=file:"+data+"/", "--state-dir="+e.dbpath, "--telemetry=disable",
		"--listen-addr=", "--listen-unix="+socket, "--debug-addr=-", "--log-level=error", "--test-enable-new-auth")
	e.process.Env = os.Environ()
	if user != "" {
		// In the environment, because a command line can be read by others.
		e.process.Env = append(e.process.Env,
			"FERRETDB_SETUP_DATABASE=admin", "FERRETDB_SETUP_USERNAME="+user, "FERRETDB_SETUP_PASSWORD="+password)
	}
	e.process.Stdout, e.process.Stderr = os.Stderr, os.Stderr
	// It must not outlive its parent.
	e.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.process.Start(); err != nil {
		return fmt.Errorf("FerretDB did not start: %w", err)
	}
	deadline := time.Now().Add(startTimeout)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if connection, err := net.Dial("unix", socket); err == nil {
			return connection.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("FerretDB does not listen")
}

func (e *engine) stop() {
	_ = e.process.Process.Signal(syscall.SIGTERM)
	_ = e.process.Wait()
}

func (e *engine) marker() string { return filepath.Join(e.dbpath, "users-exist") }

// hasUsers tells whether the first user was made, after which localhost is no exception any more.
func (e *engine) hasUsers() bool {
	_, err := os.Stat(e.marker())
	return err == nil
}

// makeFirstUser starts FerretDB anew with its first user.
func (e *engine) makeFirstUser(ctx context.Context, user, password string) error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.hasUsers() {
		return errors.New("a user exists already")
	}
	e.stop()
	if err := e.start(ctx, user, password); err != nil {
		return err
	}
	return os.WriteFile(e.marker(), nil, 0o600)
}
