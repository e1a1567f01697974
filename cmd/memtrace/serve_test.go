package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// serving is memtrace serve as a program of its own.
type serving struct {
	t              *testing.T
	cmd            *exec.Cmd
	url, token     string
	stdout, stderr lockedBuffer
}

// startServing runs the real memtrace serve until it says where it serves.
func startServing(t *testing.T, args ...string) *serving {
	t.Helper()
	return serveBy(t, exec.Command(testprog.Memtrace(t), append([]string{"serve", "--exact", "--listen", "127.0.0.1:0"}, args...)...))
}

func serveBy(t *testing.T, cmd *exec.Cmd) *serving {
	t.Helper()
	s := &serving{t: t, cmd: cmd}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout = &s.stdout
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	where := make(chan string, 1)
	go func() {
		defer close(where)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			_, _ = s.stderr.Write(append(lines.Bytes(), '\n'))
			if m := regexp.MustCompile(`serving (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
				where <- m[1]
			}
		}
	}()
	select {
	case s.url = <-where:
	case <-time.After(time.Minute):
	}
	if s.url == "" {
		t.Fatalf("it does not serve: %s", s.stderr.String())
	}
	return s
}

// end sends a signal, and returns the exit status.
func (s *serving) end(signal os.Signal) int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	_ = s.cmd.Wait() // the state has the status
	return s.cmd.ProcessState.ExitCode()
}

// get returns what is served at a path. On a slow machine it may have to ask again.
func (s *serving) get(path string) (string, http.Header) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		status, header, text := s.ask(path)
		seconds, err := strconv.Atoi(header.Get("Retry-After"))
		if status == http.StatusServiceUnavailable && err == nil && time.Now().Before(deadline) {
			time.Sleep(time.Duration(seconds) * time.Second)
			continue
		}
		if status != http.StatusOK {
			s.t.Fatalf("%s: %d: %s", path, status, text)
		}
		return text, header
	}
}

func (s *serving) ask(path string) (int, http.Header, string) {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.url+strings.TrimPrefix(path, "/"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return r.StatusCode, r.Header, string(text)
}

// waitFor asks for a path until the answer matches a pattern.
func (s *serving) waitFor(path, pattern string) string {
	s.t.Helper()
	is := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		text, _ := s.get(path)
		if is.MatchString(text) {
			return text
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not say %q:\n%s", path, pattern, text)
		}
	}
}

// The reports of a leaking program are served in every form while it is traced. Ctrl-C ends that
// with the report, and no probe is left.
func TestServe(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	testprog.NeedTool(t, "go")
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", forgetful)
	p := testprog.Command(t, exec.Command(program, "50000"))
	at, code := libcFunction(t, p.PID(), "malloc")
	dir := openDir(t)
	recorded := filepath.Join(dir, "record")
	s := startServing(t, "-p", strconv.Itoa(p.PID()), "--older", "0", "--record", recorded)
	s.waitFor("/report.txt", "leaks.*all in forget")

	type served struct{ path, media, want string }
	paths := []served{
		{"/", "text/html; charset=utf-8", "<mark>forget</mark>"},
		{"/processes", "text/html; charset=utf-8", "all in forget"},
		{"/report.txt", "text/plain; charset=utf-8", "leaks"},
		{"/report.json", "application/json", `"function": "forget"`},
		{"/metrics", "text/plain; version=0.0.4; charset=utf-8", `function="forget"`},
		{"/debug/pprof/heap", "application/octet-stream", "\x1f\x8b"},
	}
	for name := range strings.SplitSeq(report.FormNames(" ", " "), " ") {
		form, _ := report.FindForm(name)
		want := "forget"
		if form.Binary {
			want = "\x1f\x8b"
		}
		paths = append(paths, served{"/report?f=" + name, form.MediaType(), want}, served{"/report?f=" + name + "&pid=" + strconv.Itoa(p.PID()), form.MediaType(), want})
	}
	for _, tc := range paths {
		text, header := s.get(tc.path)
		if header.Get("Content-Type") != tc.media || !strings.Contains(text, tc.want) {
			t.Errorf("%s is %s, want %s: no %q in\n%.2000s", tc.path, header.Get("Content-Type"), tc.media, tc.want, text)
		}
	}
	var r report.Report
	text, _ := s.get("/report.json")
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Target.PID != p.PID() || r.Outstanding.Bytes < 10*50000 {
		t.Errorf("%v, %+v", err, r.Outstanding)
	}
	metrics, _ := s.get("/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(metrics))
	if err != nil {
		t.Fatalf("%v\n%s", err, metrics)
	}
	// It allocates at most 100 times 50,000 bytes a second.
	if rate := families["memtrace_leak_bytes_per_second"].GetMetric()[0].GetGauge().GetValue(); rate < 5e5 || rate > 5.5e6 {
		t.Errorf("it leaks %.0f bytes a second", rate)
	}
	top := exec.Command("go", "tool", "pprof", "-top", "-symbolize=none", s.url+"debug/pprof/heap")
	top.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	if out, err := top.CombinedOutput(); err != nil || !regexp.MustCompile(`100% +forget\n`).Match(out) {
		t.Errorf("go tool pprof: %v\n%s", err, out)
	}
	if code := s.end(syscall.SIGINT); code != int(exitOK) || !strings.Contains(s.stdout.String(), "all in forget") {
		t.Errorf("ended with %d: %s%s", code, s.stdout.String(), s.stderr.String())
	}
	if _, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/")); err == nil {
		t.Error("it still listens")
	}
	if codeAt(t, p.PID(), at) != code {
		t.Error("a probe is left")
	}
	serveAsNobody(t, dir, recorded)
}

// serveAsNobody serves a record without any privilege, in a root that has nothing else.
func serveAsNobody(t *testing.T, dir, recorded string) {
	t.Helper()
	copyFile(t, testprog.Memtrace(t), filepath.Join(dir, "memtrace"))
	if err := os.Chmod(recorded, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/memtrace", "serve", "/"+filepath.Base(recorded), "--listen", "0")
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}, "/"
	s := serveBy(t, cmd)
	for path, want := range map[string]string{"/": "<mark>forget</mark>", "/report.txt": "all in forget", "/metrics": `function="forget"`} {
		if text, _ := s.get(path); !strings.Contains(text, want) {
			t.Errorf("%s of a record:\n%.1000s", path, text)
		}
	}
	if code := s.end(syscall.SIGINT); code != int(exitOK) || s.stdout.String() != "" {
		t.Errorf("ended with %d: %q", code, s.stdout.String())
	}
}

// Several processes are listed, the worst first, and each is served by its own. Beyond loopback
// nothing is served without the token. With --quiet only the address is said, which has it.
func TestServeSeveral(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", forgetful)
	little, much := testprog.Command(t, exec.Command(program, "1000")), testprog.Command(t, exec.Command(program, "100000"))
	a, b := strconv.Itoa(little.PID()), strconv.Itoa(much.PID())
	s := startServing(t, "-q", "--older", "0", "-p", a+","+b, "--listen", "0.0.0.0:0")
	m := regexp.MustCompile(`^http://[^/]+:(\d+)/\?token=(\w{26})$`).FindStringSubmatch(s.url)
	if m == nil {
		t.Fatalf("the address is %s", s.url)
	}
	s.url = "http://127.0.0.1:" + m[1] + "/"
	if r, err := http.Get(s.url + "metrics"); err != nil || r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the token: %v, %v", r, err)
	}
	s.token = m[2]
	list := s.waitFor("/", `all in forget[^\x00]*all in forget`)
	if x, y := strings.Index(list, `href="/?pid=`+a), strings.Index(list, `href="/?pid=`+b); x < 0 || y < 0 || x < y {
		t.Errorf("the list is\n%s", list)
	}
	for _, pid := range []string{a, b} {
		page, _ := s.get("/?pid=" + pid)
		if !strings.Contains(page, "(pid "+pid+")") || !strings.Contains(page, "<mark>forget</mark>") {
			t.Errorf("the page of %s is\n%.1000s", pid, page)
		}
		if metrics, _ := s.get("/metrics"); !strings.Contains(metrics, `pid="`+pid+`"`) {
			t.Errorf("the metrics lack %s", pid)
		}
	}
	if code := s.end(syscall.SIGTERM); code != int(exitOK) || s.stdout.String() != "" || strings.Count(s.stderr.String(), "\n") != 1 {
		t.Errorf("ended with %d: %q, %q", code, s.stdout.String(), s.stderr.String())
	}
}

// What cannot be served is refused before anything is attached, in one line.
func TestServeRefusals(t *testing.T) {
	testprog.NeedRoot(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	short := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(short, []byte("too short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code exitCode
		want string
	}{
		{"serve", exitUsage, "nothing to trace: give -p"},
		{"serve -p 1 --listen x", exitUsage, "--listen x: give HOST:PORT"},
		{"serve -p 1 --listen 127.0.0.1:x", exitUsage, "give a port of"},
		{"serve -p 1 --listen 127.0.0.1:65536", exitUsage, "give a port of"},
		{"serve -p 1 --listen 192.0.2.1:0", exitError, "listen at 192.0.2.1:0: cannot assign requested address"},
		{"serve -p 1 --listen " + taken.Addr().String(), exitError, "another program does"},
		{"serve -p 1 --token-file /nowhere/at/all", exitError, "read the token"},
		{"serve -p 1 --token-file " + short, exitUsage, "give a token of 16"},
		{"serve /nowhere/at/all", exitError, "/nowhere/at/all"},
		{"serve " + short, exitError, short},
		{"serve " + short + " x", exitUsage, "too many arguments: x"},
		{"serve --listen 8080 " + short, exitUsage, "the record comes first: memtrace serve " + short + " --listen ..."},
		{"serve --listen 8080 /nowhere/at/all", exitUsage, "put a command after --: memtrace -- /nowhere/at/all"},
		{"serve " + short + " -p 1", exitUsage, "unknown"},
		{"serve --listen 0 -p 1073741824", exitError, "process 1073741824: no such process"},
	} {
		code, stdout, stderr := runFor(t, strings.Fields(tc.args)...)
		lines := 1
		if tc.code == exitUsage {
			lines = 2 // where to find help
		}
		if code != tc.code || stdout != "" || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != lines {
			t.Errorf("%s: %d, %q, %q; want %d, %s", tc.args, code, stdout, stderr, tc.code, tc.want)
		}
	}
}
