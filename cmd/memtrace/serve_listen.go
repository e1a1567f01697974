package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// serveFlags say where memtrace serve serves, and to whom.
type serveFlags struct{ listen, tokenFile string }

const defaultListen = "127.0.0.1:8077"

func (f *serveFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.listen, "listen", defaultListen, "serve at `HOST:PORT`; beyond this machine only to those who have the token that is printed")
	fs.StringVar(&f.tokenFile, "token-file", "", "serve, on this machine too, only to those who have the token in `FILE`")
}

// open opens the address to serve at, before anything is attached. The token is "" where none is
// needed: on this machine, unless a file has one.
func (f *serveFlags) open() (listener *net.TCPListener, token string, err error) {
	address := f.listen
	if _, err := strconv.Atoi(address); err == nil {
		address = "127.0.0.1:" + address
	}
	if err := checkAddress(address); err != nil {
		return nil, "", err
	}
	if f.tokenFile != "" {
		if token, err = readToken(f.tokenFile); err != nil {
			return nil, "", err
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, "", explainListen(address, err)
	}
	listener = l.(*net.TCPListener)
	if token == "" && !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		token = rand.Text()
	}
	return listener, token, nil
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("--listen %s: give HOST:PORT, as in %s", address, defaultListen)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return usagef("--listen %s: give a port of 1 to 65535, or 0 for any that is free", address)
	}
	return nil
}

// explainListen says what to do where an address cannot be served at.
func explainListen(address string, err error) error {
	var why error = err
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		why = op.Err
	}
	if call := (*os.SyscallError)(nil); errors.As(why, &call) {
		why = call.Err
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("listen at %s: another program does: give another --listen", address)
	}
	return fmt.Errorf("listen at %s: %w", address, why)
}

// readToken reads the token of a file, which is its first line.
func readToken(path string) (string, error) {
	const least, most = 16, 1024
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 2*most))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	token := string(bytes.TrimSpace(line))
	if len(token) < least || len(token) > most {
		return "", usagef("--token-file %s: give a token of %d to %d characters", path, least, most)
	}
	return token, nil
}
