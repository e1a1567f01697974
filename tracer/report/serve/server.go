package serve

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/netutil"

	"memtrace/tracer/report"
)

// Config says what a Server shows.
type Config struct {
	// Look makes the reports of all processes as they are now, for forms with Totals or for the
	// others. What it returned is written by one goroutine at a time.
	Look func(totals bool) ([]*report.Report, error)
	// Top is how many stacks the text and JSON forms and the metrics have, 0 for all of a look's.
	Top int
	// Text is how the text form is laid out.
	Text report.TextOptions
	// Token must come with each request, unless it is "".
	Token string
	// Ended: the metrics are those of processes that have ended, too, as a record may have them.
	Ended bool
	// Logf receives what goes wrong with connections.
	Logf func(format string, args ...any)
}

// Server answers requests on a listener.
type Server struct {
	cfg  Config
	addr *net.TCPAddr
	// looks are those for most forms, totals those for forms with Totals.
	looks, totals *looks
	http          *http.Server
}

// MostConnections is how many connections a Server has open at most. Each is an open file.
const MostConnections = 32

// Start serves on a listener, which is the Server's from now on. Close ends that.
func Start(listener *net.TCPListener, cfg Config) *Server {
	const (
		headerTimeout = 5 * time.Second
		idleTimeout   = 15 * time.Second
		writeTimeout  = 2 * time.Minute
		mostHeader    = 16 << 10
	)
	s := &Server{cfg: cfg, addr: listener.Addr().(*net.TCPAddr)}
	b := newBudget(time.Now())
	s.looks = newLooks(func() ([]*report.Report, error) { return cfg.Look(false) }, b)
	s.totals = newLooks(func() ([]*report.Report, error) { return cfg.Look(true) }, b)
	s.http = &http.Server{
		Handler:           newGuard(s.addr, cfg.Token, s.paths()),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    mostHeader,
		ErrorLog:          log.New(logWriter(cfg.Logf), "", 0),
	}
	go func() {
		if err := s.http.Serve(netutil.LimitListener(listener, MostConnections)); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logf("nothing is served any more: %v", err)
		}
	}()
	return s
}

// URL is where a browser finds the Server, with the token if there is one.
func (s *Server) URL() string {
	addr := s.addr.String()
	if s.addr.IP.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			_, port, _ := net.SplitHostPort(addr)
			addr = net.JoinHostPort(name, port)
		}
	}
	u := url.URL{Scheme: "http", Host: addr, Path: "/"}
	if s.cfg.Token != "" {
		u.RawQuery = url.Values{"token": {s.cfg.Token}}.Encode()
	}
	return u.String()
}

// Close ends the Server. Requests have a moment to end. No look is made after it has returned.
func (s *Server) Close() {
	const moment = time.Second
	ctx, cancel := context.WithTimeout(context.Background(), moment)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // the connections are gone whatever it says
	}
	s.looks.close()
	s.totals.close()
}

// logWriter passes on what net/http logs.
type logWriter func(format string, args ...any)

func (logf logWriter) Write(line []byte) (int, error) {
	logf("serve: %s", line[:max(len(line)-1, 0)]) // without the line's end
	return len(line), nil
}

var _ io.Writer = logWriter(nil)
