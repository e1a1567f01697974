// Command memtrace finds what leaks in a Linux process that is already running. See the
// README, or memtrace --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// exitCode is the exit status of memtrace. In launch mode the command's own status replaces
// exitOK.
type exitCode int

const (
	exitOK    exitCode = 0 // a final report was written
	exitError exitCode = 1
	exitUsage exitCode = 2
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	// Report a closed pipe, and a file that may not grow, like any other write error. The
	// signals are caught, not ignored: a launched command would inherit ignored ones.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGXFSZ)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		// timeout(1) and terminals may send two at once, to the process and to its group.
		const atOnce = time.Second
		for first := time.Now(); time.Since(first) < atOnce; {
			<-signals
		}
		fmt.Fprintln(os.Stderr, "memtrace: stopped at once, without another report")
		// The kernel detaches what an exiting process leaves behind.
		os.Exit(int(exitError))
	}()
	os.Exit(int(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)))
}
